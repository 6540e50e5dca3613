"""The page that a student reads: what is right, what is not and why, and where to begin.

Wrong answers are gathered by their hint, because one misconception often fails several tests. Of a hidden
test the page says what it asks, as of a public one, and never how.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from course_lib.grading.record import Grade, Outcome, Place, TaskGrade
from course_lib.grading.reports.code import Listing, listing
from course_lib.grading.reports.files import ordered, page_name, write
from course_lib.grading.reports.hints import UNEXPLAINED, fullest, kind, told, unwritten
from course_lib.grading.reports.pages import render


class Asked(NamedTuple):
    """What a test asks, and how many of the same kind do: each is a point.

    Attributes
    ----------
    text : str
    hidden : bool
    points : int
    """

    text: str
    hidden: bool
    points: int


class Finding(NamedTuple):
    """What came instead of the right answer.

    Attributes
    ----------
    hint : str
    asked : list of Asked
        Of the tests that it failed.
    place : Place or None
        The line of the student's own code that it comes from, where it is known.
    """

    hint: str
    asked: list[Asked]
    place: Place | None


class Section(NamedTuple):
    """A task on the page.

    Attributes
    ----------
    task : TaskGrade
    state : str
        "right", "partly", "wrong" or "unwritten".
    findings : list of Finding
    right : list of Asked
        Of the tests that passed.
    code : Listing
    """

    task: TaskGrade
    state: str
    findings: list[Finding]
    right: list[Asked]
    code: Listing

    @property
    def only_hidden(self) -> bool:
        """Whether all tests passed that the student could run."""
        return all(asked.hidden for finding in self.findings for asked in finding.asked)


def write_feedback(
    grades: Sequence[Grade], folder: Path, names: Mapping[str, str] | None = None, guarantee: str = ""
) -> list[Path]:
    """Write one page a submission.

    Parameters
    ----------
    grades : sequence of Grade
    folder : Path
        "graded/feedback".
    names : mapping of str to str, optional
        Exercise -> what the page calls it: "diffusion" -> "Exercises: diffusion and flows".
    guarantee : str
        A sentence about how the code was run, for the page's foot.

    Returns
    -------
    list of Path
        The pages, by exercise and file.
    """
    pages = []
    for grade in ordered(grades):
        pages.append(folder / page_name(grade.file))
        write(pages[-1], feedback(grade, (names or {}).get(grade.key, ""), guarantee))
    return pages


def feedback(grade: Grade, name: str = "", guarantee: str = "") -> str:
    """The page of one submission as HTML; `name` is what the exercise is called, its key if not given."""
    sections = [_section(task) for task in grade.tasks]
    name = name or f"Exercises: {grade.key}" if grade.key else "Your submission"
    first = next((section for section in sections if section.state != "right"), None)
    whole = {"grade": grade, "name": name, "greeting": greeting(grade), "guarantee": guarantee}
    return render("feedback.html", sections=sections, first=first, **whole)


def greeting(grade: Grade) -> str:
    """A sentence about the whole."""
    complete = sum(task.points == task.possible for task in grade.tasks)
    if grade.problem:
        return "This submission could not be graded. That is usually quick to mend."
    if grade.points == grade.possible:
        return "Everything is right. Well done!"
    if complete:
        return f"{complete} of {len(grade.tasks)} tasks {'is' if complete == 1 else 'are'} complete."
    if grade.points:
        return "A beginning is made: some points are there already."
    return "No point yet. The first task below is a good place to begin."


def _section(task: TaskGrade) -> Section:
    failed = [outcome for outcome in task.outcomes if not outcome.passed]
    findings = [_finding(task, name, group) for name, group in _by_kind(failed).items()]
    right = _asked([outcome for outcome in task.outcomes if outcome.passed])
    return Section(task, _state(task, failed), findings, right, listing(task))


def _finding(task: TaskGrade, name: str, group: Sequence[Outcome]) -> Finding:
    best = next(outcome for outcome in group if kind(outcome) == name)
    return Finding(told(best.hint, task), _asked(group), best.place)


def _asked(outcomes: Sequence[Outcome]) -> list[Asked]:
    count = Counter((outcome.asked, outcome.hidden) for outcome in outcomes)
    return [Asked(text, hidden, points) for (text, hidden), points in count.items()]


def _by_kind(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Misconception -> its outcomes; what has a name comes before mere wrong numbers."""
    groups: dict[str, list[Outcome]] = {}
    same = fullest({kind(outcome): None for outcome in outcomes})
    for outcome in sorted(outcomes, key=lambda outcome: kind(outcome) == UNEXPLAINED):
        groups.setdefault(same[kind(outcome)], []).append(outcome)
    return groups


def _state(task: TaskGrade, failed: Sequence[Outcome]) -> str:
    if not failed:
        return "right"
    if unwritten(task):
        return "unwritten"
    return "partly" if len(failed) < task.possible else "wrong"
