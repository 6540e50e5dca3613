"""`course check my.ipynb`: the public checks of all tasks of one's own notebook, without opening it.

The cells run in this process, as Jupyter would run them: this is for code of one's own. A stranger's is
graded in a sandbox (`grade.py`).
"""

from pathlib import Path

from course_lib.grading.check import Result, check
from course_lib.grading.ipynb import Unreadable, cells
from course_lib.grading.remote.failures import execute

RUN = {"setup", "task"}


def check_notebook(path: Path) -> list[Result]:
    """Run setup and tasks of a notebook, then the checks of each task.

    Parameters
    ----------
    path : Path
        An exercise as it was handed out, with its cells' tags.

    Raises
    ------
    Unreadable
        If it is no such notebook.
    """
    found = [cell for cell in cells(path) if cell.code and (cell.tags & RUN or cell.task)]
    tasks = list(dict.fromkeys(cell.task for cell in found if cell.task))
    if not tasks:
        raise Unreadable(f"{path.name} has no cell of a task: is it an exercise, saved with its cells' tags?")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for cell in found:
        _run(cell.number, cell.source, namespace)
    return [check(task, namespace) for task in tasks]


def _run(number: int, source: str, namespace: dict[str, object]) -> None:
    """Run a cell; its error is raised with the cell's number."""
    try:
        execute(source, namespace, f"cell {number}")
    except (Exception, SystemExit) as error:  # a cell that calls exit() would end the check as if all were well
        raise Unreadable(f"cell {number} stops with {type(error).__name__}: {error}") from error
