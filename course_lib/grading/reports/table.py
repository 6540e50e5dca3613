"""grades.csv: one row a submission, one column a task.

Where several exercises were graded there is still one table: each task's column is called by its exercise
and stays empty for the others. So the columns depend on the exercises alone, not on who submitted what.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from course_lib.grading.record import Grade
from course_lib.grading.reports.files import ordered, students, write
from course_lib.grading.reports.text import visible

FORMULA = "=+-@＝＋－＠"  # with one of these a spreadsheet takes text for a formula


def write_table(grades: Sequence[Grade], path: Path) -> None:
    """Write the table of all grades.

    Parameters
    ----------
    grades : sequence of Grade
    path : Path
        "graded/grades.csv".
    """
    write(path, table(grades))


def table(grades: Sequence[Grade]) -> str:
    """The table as text: student, file, exercise, tier, one column a task, total, possible, percent, notes, problem."""
    grades, names = ordered(grades), students(grades)
    columns = _columns(grades)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    tasks = [f"{key}/{task} ({possible})" for (key, task), possible in columns.items()]
    writer.writerow(["student", "file", "exercise", "tier", *tasks, "total", "possible", "percent", "notes", "problem"])
    for grade in grades:
        points = {(grade.key, task.task): task.points for task in grade.tasks}
        percent = f"{100 * grade.points / grade.possible:.1f}" if grade.possible else ""
        writer.writerow(
            [
                *map(harmless, (names[grade.file], grade.file, grade.key, grade.tier)),
                *(points.get(column, "") for column in columns),
                *(grade.points, grade.possible, percent),
                *map(harmless, (" | ".join(grade.notes), grade.problem)),
            ]
        )
    return out.getvalue()


def harmless(text: str) -> str:
    """The text as a spreadsheet shows it without computing anything.

    Examples
    --------
    >>> harmless("=1+1"), harmless("anna")
    ("'=1+1", 'anna')
    """
    text = visible(text, longest=2000)
    return f"'{text}" if text.lstrip(" \u00a0'\"").startswith(tuple(FORMULA)) else text


def _columns(grades: Sequence[Grade]) -> dict[tuple[str, str], int]:
    """(Exercise, task) -> possible points, in the order of the exercise."""
    possible: dict[tuple[str, str], int] = {}
    for grade in grades:
        for task in grade.tasks:
            column = grade.key, task.task
            possible[column] = max(possible.get(column, 0), task.possible)
    return possible
