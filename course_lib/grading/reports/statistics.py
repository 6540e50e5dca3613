"""What many grades say together: how the points are spread, which tasks are hard, which misconceptions are common."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from course_lib.grading.record import Grade, Outcome
from course_lib.grading.reports.hints import UNEXPLAINED, fullest, kind, told, unwritten

BINS = 10


class Difficulty(NamedTuple):
    """How a task went.

    Attributes
    ----------
    task, title : str
    share : float
        Points reached over points possible, in [0, 1].
    complete, unwritten : int
        Submissions with all of its points; submissions that did not begin it.
    """

    task: str
    title: str
    share: float
    complete: int
    unwritten: int


class Misconception(NamedTuple):
    """A hint, and how many were given it.

    Attributes
    ----------
    hint, title : str
        `title` is the task's.
    students : int
    """

    hint: str
    title: str
    students: int


def graded(grades: Sequence[Grade]) -> list[Grade]:
    """Those that have a result; a submission that could not be graded says nothing about the tasks."""
    return [grade for grade in grades if not grade.problem and grade.possible]


def shares(grades: Sequence[Grade]) -> list[float]:
    """Points over possible points of each graded submission, in ascending order."""
    return sorted(grade.points / grade.possible for grade in graded(grades))


def median(values: Sequence[float]) -> float:
    """The middle of sorted values.

    Examples
    --------
    >>> median([0.1, 0.2, 0.6, 0.9])
    0.4
    """
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def distribution(grades: Sequence[Grade]) -> list[int]:
    """How many submissions reach 0 to 10 %, 10 to 20 %, ...; the last bin holds 100 % too."""
    bins = [0] * BINS
    for grade in graded(grades):
        bins[min(BINS * grade.points // grade.possible, BINS - 1)] += 1
    return bins


def hardest(grades: Sequence[Grade]) -> list[Difficulty]:
    """The tasks of one exercise, the hardest first; equally hard ones in the order of the exercise."""
    tasks = defaultdict(list)
    for grade in graded(grades):
        for task in grade.tasks:
            tasks[task.task].append(task)
    found = [
        Difficulty(
            name,
            group[0].title,
            sum(task.points for task in group) / max(1, sum(task.possible for task in group)),
            sum(task.points == task.possible for task in group),
            sum(map(unwritten, group)),
        )
        for name, group in tasks.items()
    ]
    return sorted(found, key=lambda task: task.share)


def misconceptions(grades: Sequence[Grade]) -> tuple[list[Misconception], list[Misconception]]:
    """The hints of one exercise, the most frequent first; a student counts once for each.

    Returns
    -------
    tuple of two lists
        Those that say what was wrong, and per task how many had wrong numbers that nothing explains.
    """
    files: dict[tuple[str, str], set[str]] = defaultdict(set)
    hints: dict[tuple[str, str], str] = {}
    for grade in graded(grades):
        for task in grade.tasks:
            for outcome in () if unwritten(task) else task.outcomes:
                if not outcome.passed:
                    same = task.title, _across_cells(outcome)
                    files[same].add(grade.file)
                    hints.setdefault(same, told(outcome.hint, task))
    files = _joined(files)
    common = sorted(files, key=lambda same: -len(files[same]))
    found = [(same[1], Misconception(hints[same], same[0], len(files[same]))) for same in common]
    named = [misconception for name, misconception in found if name != UNEXPLAINED]
    return named, [misconception for name, misconception in found if name == UNEXPLAINED]


def _joined(files: Mapping[tuple[str, str], set[str]]) -> dict[tuple[str, str], set[str]]:
    """Of hints on one task that say the same, shorter and longer, only the longer."""
    joined: dict[tuple[str, str], set[str]] = {}
    for title in dict.fromkeys(title for title, _ in files):
        for name, fuller in fullest([name for other, name in files if other == title]).items():
            joined[title, fuller] = joined.get((title, fuller), set()) | files[title, name]
    return joined


def _across_cells(outcome: Outcome) -> str:
    """What is the same for two students, whose errors lie in different lines."""
    return kind(replace(outcome, place=None))
