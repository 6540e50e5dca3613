"""Which hints say the same thing.

A misconception shows in several tests, and an error's message differs in the sizes that it names. For a
reader these are one finding.
"""

import re
from collections.abc import Collection

from course_lib.grading.record import Outcome, TaskGrade
from course_lib.grading.reports.text import LONGEST

NUMBERS = r"(?:\d+ of \d+ numbers (?:is|are)|the number is) (?:wrong: got|NaN or infinite)"
UNEXPLAINED = "wrong numbers that no known misconception explains"


def kind(outcome: Outcome) -> str:
    """What the outcomes of one misconception, or of one error at one line, have in common.

    Examples
    --------
    >>> first = Outcome("", False, "3 of 64 numbers are wrong: got 1, expected 2 at index (0, 1)")
    >>> kind(first)
    'wrong numbers that no known misconception explains'
    >>> kind(Outcome("", False, "the shape is (3, 1), expected (3,)"))
    'the shape is (#, #), expected (#,)'
    """
    hint = outcome.hint[:LONGEST]
    if re.search(NUMBERS, hint):
        return UNEXPLAINED
    name = re.match(r"\w+(?=: )", hint)
    if outcome.place and name:
        return f"{name[0]} {outcome.place.cell} {outcome.place.line}"
    return re.sub(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", "#", hint)


def fullest(kinds: Collection[str]) -> dict[str, str]:
    """Each kind -> the one that says the same at greater length, else itself: a hidden test's hint is often shorter.

    Examples
    --------
    >>> fullest(["this is half a circle", "this is half a circle: at # alpha is #"])["this is half a circle"]
    'this is half a circle: at # alpha is #'
    >>> fullest(["turned", "turned: by x", "turned: by y"])["turned"]
    'turned'
    """
    found = {}
    for name in kinds:
        longer = [other for other in kinds if re.match("[,;:] ", other[len(name) :]) and other.startswith(name)]
        longest = max(longer, key=len, default=name)
        found[name] = longest if all(map(longest.startswith, longer)) else name
    return found


def unwritten(task: TaskGrade) -> bool:
    """Whether there is nothing of the student's in it: every test met what was handed out, or no function."""
    untouched = (f"task {task.task}: ", f"there is no {task.task} yet")
    return bool(task.outcomes) and all(outcome.hint.startswith(untouched) for outcome in task.outcomes)


def told(hint: str, task: TaskGrade) -> str:
    """The hint as a sentence's beginning; the name of a function or of a variable keeps its small letter."""
    hint = hint.removeprefix(f"task {task.task}: ") or "this does not hold"
    return hint[:1].upper() + hint[1:] if re.match(r"(?:a|[a-z]{2,})(?:[ ,;:]|$)", hint) else hint
