"""The page that an instructor reads: how the class did, what was hard, and which submissions need a look."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from course_lib.grading.record import Grade
from course_lib.grading.reports import statistics
from course_lib.grading.reports.files import ordered, page_name, students, write
from course_lib.grading.reports.pages import render

COMMONEST = 15  # misconceptions that are listed


class Bar(NamedTuple):
    """A bar of the histogram, in its own units: 600 wide, 140 high."""

    x: float
    height: float
    count: int
    label: str


class Exercise(NamedTuple):
    """What the page says about one exercise."""

    key: str
    name: str
    grades: list[Grade]
    facts: list[tuple[str, str]]
    bars: list[Bar]
    text: str
    hardest: list[statistics.Difficulty]
    misconceptions: list[statistics.Misconception]
    unexplained: list[statistics.Misconception]


def write_summary(
    grades: Sequence[Grade],
    path: Path,
    names: Mapping[str, str] | None = None,
    guarantee: str = "",
    pages: str = "feedback",
) -> None:
    """Write the instructor's page.

    Parameters
    ----------
    grades : sequence of Grade
    path : Path
        "graded/index.html".
    names : mapping of str to str, optional
        Exercise -> what the page calls it.
    guarantee : str
        What the tier in which the code ran guarantees, and what not, in a sentence.
    pages : str
        Where the students' pages lie, seen from this one.
    """
    write(path, summary(grades, names, guarantee, pages))


def summary(
    grades: Sequence[Grade], names: Mapping[str, str] | None = None, guarantee: str = "", pages: str = "feedback"
) -> str:
    """The instructor's page as HTML."""
    grades = ordered(grades)
    keys = sorted({grade.key for grade in grades}, key=lambda key: (not key, key))
    return render(
        "summary.html",
        exercises=[_exercise(key, grades, names or {}) for key in keys],
        grades=grades,
        students=students(grades),
        links={grade.file: f"{pages}/{page_name(grade.file)}" for grade in grades},
        remarks=_remarks(grades),
        tiers=sorted({grade.tier for grade in grades} - {""}),
        guarantee=guarantee,
    )


def _remarks(grades: Sequence[Grade]) -> list[Grade]:
    """Those with a problem, then those with notes."""
    return [grade for grade in grades if grade.problem] + [g for g in grades if g.notes and not g.problem]


def _exercise(key: str, grades: Sequence[Grade], names: Mapping[str, str]) -> Exercise:
    grades = [grade for grade in grades if grade.key == key]
    counts = statistics.distribution(grades)
    named, unexplained = statistics.misconceptions(grades)
    return Exercise(
        key=key,
        name=names.get(key) or (f"Exercises: {key}" if key else "Of no known exercise"),
        grades=grades,
        facts=_facts(grades),
        bars=_bars(counts),
        text="; ".join(f"{label}: {count}" for label, count in zip(_labels(), counts)),
        hardest=statistics.hardest(grades),
        misconceptions=named[:COMMONEST],
        unexplained=unexplained,
    )


def _facts(grades: Sequence[Grade]) -> list[tuple[str, str]]:
    shares = statistics.shares(grades)
    facts = [("submissions", str(len(grades))), ("graded", str(len(shares)))]
    if shares:
        facts += [
            ("median", f"{100 * statistics.median(shares):.0f} %"),
            ("mean", f"{100 * sum(shares) / len(shares):.0f} %"),
            ("with all points", str(shares.count(1.0))),
        ]
    return facts


def _bars(counts: Sequence[int]) -> list[Bar]:
    highest = max(*counts, 1)
    return [
        Bar(60.0 * i, 140 * count / highest, count, label) for i, (count, label) in enumerate(zip(counts, _labels()))
    ]


def _labels() -> list[str]:
    edges = [100 * i // statistics.BINS for i in range(statistics.BINS + 1)]
    return [f"{low} to {high} %" for low, high in zip(edges, edges[1:])]
