"""The instructor's own answers as namespaces, and whether the tests know them from an empty page.

This is code that the instructor wrote and trusts, so it runs in this process.
"""

from collections.abc import Sequence
from pathlib import Path

import jupytext

from course_lib.grading.points import Point, run
from course_lib.grading.release import stub, tasks_of
from course_lib.grading.remote import failures
from course_lib.notebooks.source import tags


def solution(master: Path) -> dict[str, object]:
    """What setup and tasks of a master define."""
    return _namespace(master, lambda code, task: code)


def stubs(master: Path) -> dict[str, object]:
    """What a student begins with: the setup, and functions that raise `NotImplementedError`."""
    return _namespace(master, stub)


def _namespace(master: Path, edit) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": master.stem}
    for cell in jupytext.read(master, fmt="py:percent").cells:
        if "task" in tags(cell):
            execute(edit(cell.source, cell.metadata["task"]), namespace)
        elif "setup" in tags(cell):
            execute(cell.source, namespace)
    return namespace


def execute(code: str, namespace: dict[str, object]) -> None:
    """Run a cell whose name does not matter."""
    failures.execute(code, namespace, f"cell {abs(hash(code)):x}")


def verify(master: Path, files: Sequence[Path]) -> None:
    """Refuse tests that do not fit the master.

    Parameters
    ----------
    master : Path
        The master, in jupytext's percent format.
    files : sequence of Path
        All its test files, public and hidden.

    Raises
    ------
    ValueError
        If a task has no test, the reference solution fails one, or a stub passes one.
    """
    if not files:
        raise ValueError(f"there are no tests for {master.name}")
    solved, empty = run(files, solution(master)), run(files, stubs(master))
    tested = {point.task for point in solved}
    names = [task.name for task in tasks_of(jupytext.read(master, fmt="py:percent"))]
    if untested := [name for name in names if name not in tested]:
        raise ValueError(f"tasks of {master.name} without a test: {', '.join(untested)}")
    if failed := [point for point in solved if not point.passed]:
        raise ValueError(f"the reference solution fails {len(failed)} tests of {master.name}; {_told(failed[0])}")
    if passed := [point for point in empty if point.passed]:
        raise ValueError(f"a stub passes {len(passed)} tests of {master.name}; {_told(passed[0])}")


def _told(point: Point) -> str:
    return f"the first, of {point.task}: {point.asked} {point.hint}".rstrip()
