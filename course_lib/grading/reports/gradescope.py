"""results.json, as Gradescope's autograder specification has it.

Each test is one entry, so that Gradescope adds the points up itself. An entry of a hidden test is called
by its task and a number, and shows the hint alone.
"""

import json
from pathlib import Path

from course_lib.grading.record import Grade, Outcome, TaskGrade
from course_lib.grading.reports.files import write
from course_lib.grading.reports.text import plain, visible

HIDDEN = "also checked when grading"


def write_results(grade: Grade, path: Path, hidden: str = "visible") -> None:
    """Write Gradescope's results of one submission.

    Parameters
    ----------
    grade : Grade
    path : Path
        "/autograder/results/results.json".
    hidden : str
        When students see the entries of hidden tests: "visible", "after_due_date", "after_published" or "hidden".
    """
    write(path, json.dumps(results(grade, hidden), ensure_ascii=False, indent=1) + "\n")


def results(grade: Grade, hidden: str = "visible") -> dict:
    """The content of results.json.

    Raises
    ------
    ValueError
        If Gradescope has no such visibility.
    """
    allowed = ("visible", "after_due_date", "after_published", "hidden")
    if hidden not in allowed:
        raise ValueError(f"the visibility of hidden tests must be one of {', '.join(allowed)}, got {hidden!r}")
    return {
        "score": grade.points,
        "output": _output(grade),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [entry for number, task in enumerate(grade.tasks, 1) for entry in _entries(number, task, hidden)],
    }


def _output(grade: Grade) -> str:
    lines = [f"{grade.points} of {grade.possible} points."]
    if grade.problem:
        lines = [f"This submission could not be graded: {grade.problem}"]
    confined = f"The code was run in the tier {grade.tier}." if grade.tier else "None of the code was run."
    return "\n".join(map(visible, [*lines, *grade.notes, confined]))


def _entries(number: int, task: TaskGrade, hidden: str) -> list[dict]:
    entries, unseen = [], 0
    for i, outcome in enumerate(task.outcomes, 1):
        unseen += outcome.hidden
        asked = f"{HIDDEN}, {unseen}" if outcome.hidden else outcome.asked
        entries.append(
            {
                "name": visible(f"{plain(task.title)}: {asked}"),
                "number": f"{number}.{i}",
                "score": int(outcome.passed),
                "max_score": 1,
                "status": "passed" if outcome.passed else "failed",
                "output": _told(outcome),
                "visibility": hidden if outcome.hidden else "visible",
            }
        )
    return entries


def _told(outcome: Outcome) -> str:
    if outcome.passed:
        return ""
    place = outcome.place
    where = [f"in {place.cell}, line {place.line}: {place.code.strip()}"] if place else []
    return "\n".join(map(visible, [outcome.hint or "this does not hold", *where]))
