"""Into nbgrader's gradebook, where marks can be given by hand on top of these.

An exercise becomes an assignment with one notebook; each task is a grade cell with its possible points, and
a solution cell of the same name, to which the hints are the automatic comment. Marks, extra credit and
comments that were given by hand are kept when grades are exported again; where there is a mark by hand
already, nbgrader is told that it needs another look.
"""

import os
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from course_lib.grading.record import Grade, TaskGrade
from course_lib.grading.reports.files import ordered, students
from course_lib.grading.reports.text import visible

NOTES = "notes"  # the cell that carries the notes on a submission as its comment


def export(grades: Sequence[Grade], path: Path) -> None:
    """Put the grades into a gradebook, which is made if there is none.

    Parameters
    ----------
    grades : sequence of Grade
        Those of no known exercise are left out: there is no assignment to which they belong.
    path : Path
        "gradebook.db", an sqlite file. It is replaced as a whole at the end.

    Raises
    ------
    ModuleNotFoundError
        If nbgrader is not installed.
    ValueError
        If the gradebook has other tasks than the exercise.
    """
    api = _api()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.exists():
            shutil.copyfile(path, part)
        with _scripts_found(), api.Gradebook(_address(part)) as gradebook:
            _fill(gradebook, ordered(grades))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _api() -> ModuleType:
    try:
        import nbgrader.api
    except ModuleNotFoundError as error:
        advice = 'nbgrader is not installed: pip install "course-lib[nbgrader]"'
        raise ModuleNotFoundError(advice, name=error.name) from error
    return nbgrader.api


@contextmanager
def _scripts_found() -> Iterator[None]:
    """nbgrader runs the command alembic, which lies beside this interpreter and perhaps not on the path."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _address(path: Path):
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(path))


def _fill(gradebook, grades: Sequence[Grade]) -> None:
    names = students(grades)
    for key in dict.fromkeys(grade.key for grade in grades if grade.key):
        submitted = [grade for grade in grades if grade.key == key]
        _set_up(gradebook, key, _possible(submitted))
        for grade in submitted:
            _enter(gradebook, grade, visible(names[grade.file], longest=128))
    gradebook.db.commit()


def _possible(grades: Sequence[Grade]) -> dict[str, int]:
    """Task -> its points."""
    possible: dict[str, int] = {}
    for task in (task for grade in grades for task in grade.tasks):
        possible[task.task] = max(possible.get(task.task, 0), task.possible)
    return possible


def _set_up(gradebook, key: str, tasks: dict[str, int]) -> None:
    gradebook.update_or_create_assignment(key)
    notebook = gradebook.update_or_create_notebook(key, key)
    if strange := {cell.name for cell in notebook.grade_cells} - set(tasks):
        there = ", ".join(sorted(strange))
        raise ValueError(f"the gradebook has tasks that the exercise {key} has not: {there}; export to a new file")
    if notebook.grade_cells and set(tasks) - {cell.name for cell in notebook.grade_cells}:
        new = ", ".join(sorted(set(tasks) - {cell.name for cell in notebook.grade_cells}))
        raise ValueError(f"the exercise {key} has tasks that the gradebook has not: {new}; export to a new file")
    for name, possible in tasks.items():
        gradebook.update_or_create_grade_cell(name, key, key, max_score=possible, cell_type="code")
        gradebook.update_or_create_solution_cell(name, key, key)
    gradebook.update_or_create_solution_cell(NOTES, key, key)


def _enter(gradebook, grade: Grade, student: str) -> None:
    gradebook.update_or_create_student(student)
    with gradebook.db.no_autoflush:  # nbgrader builds the submission piece by piece; half of one cannot be stored
        submission = gradebook.update_or_create_submission(grade.key, student)
    (notebook,) = submission.notebooks
    tasks = {task.task: task for task in grade.tasks}
    for mark in notebook.grades:
        task = tasks.get(mark.name)
        mark.auto_score = task.points if task and not grade.problem else None
        mark.needs_manual_grade = mark.auto_score is None or mark.manual_score is not None
    for comment in notebook.comments:
        task = tasks.get(comment.name)
        comment.auto_comment = _notes(grade) if comment.name == NOTES else task and _hints(task)


def _notes(grade: Grade) -> str | None:
    problem = [f"Not graded: {grade.problem}"] if grade.problem else []
    return "\n".join(map(visible, [*problem, *grade.notes])) or None


def _hints(task: TaskGrade) -> str | None:
    hints = dict.fromkeys(outcome.hint for outcome in task.outcomes if not outcome.passed)
    return "\n".join(map(visible, hints)) or None
