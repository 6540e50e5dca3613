"""An exercise as a grader needs it: the master, the tests, and what each task is called."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jupytext
from nbformat import NotebookNode

from course_lib.grading.masters import exercises
from course_lib.grading.points import run
from course_lib.grading.record import Grade, Outcome, TaskGrade
from course_lib.notebooks.source import tags


class Asked(NamedTuple):
    """One test: the task that it belongs to, what it asks, and whether students have it."""

    task: str
    asked: str
    hidden: bool


class Exercise:
    """The master and the tests of one module.

    Parameters
    ----------
    key : str
        "diffusion".
    master : Path
        `solutions/03_diffusion.py`.
    tests : Path
        The folder with `checks/`, the public tests, and `hidden/`, `test_KEY*.py` each.

    Raises
    ------
    ValueError
        If there are no tests.
    """

    def __init__(self, key: str, master: Path, tests: Path) -> None:
        self.key, self.master = key, master
        self.checks, self.hidden = (sorted(tests.glob(f"{part}/test_{key}*.py")) for part in ("checks", "hidden"))
        if not self.files:
            raise ValueError(f"there are no tests of {key} in the folders checks and hidden of {tests}")

    @property
    def files(self) -> list[Path]:
        """All test files, the public ones first."""
        return [*self.checks, *self.hidden]

    @cached_property
    def asked(self) -> list[Asked]:
        """All tests, in order: what they find where nothing has been written."""
        hidden = {path.resolve() for path in self.hidden}
        return [Asked(point.task, point.asked, point.file in hidden) for point in run(self.files, {})]

    @cached_property
    def _cells(self) -> list[NotebookNode]:
        return jupytext.read(self.master, fmt="py:percent").cells

    @property
    def name(self) -> str:
        """What the exercise is called: the first heading of its master."""
        headings = (cell.source.splitlines()[0].lstrip("# ") for cell in self._cells if cell.source.startswith("# "))
        return next(headings, self.master.stem)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Task -> its heading, in the master's order."""
        titles, heading = {}, ""
        for cell in self._cells:
            if cell.cell_type == "markdown" and cell.source.startswith("#"):
                heading = cell.source.splitlines()[0].lstrip("# ")
            if "task" in tags(cell):
                titles[cell.metadata["task"]] = heading
        return titles

    def graded(self, outcomes: dict[str, list[Outcome]], code: dict[str, str]) -> tuple[TaskGrade, ...]:
        """What became of each task, in the master's order."""
        return tuple(
            TaskGrade(task, title, tuple(outcomes.get(task, ())), code.get(task, ""))
            for task, title in self.titles.items()
        )

    def refused(self, file: str, problem: str) -> Grade:
        """The grade of a submission of which nothing could be graded: no point, and the reason."""
        outcomes: dict[str, list[Outcome]] = {}
        for test in self.asked:
            outcomes.setdefault(test.task, []).append(Outcome(test.asked, False, "not graded", None, test.hidden))
        return Grade(file, self.key, "", self.graded(outcomes, {}), (), problem)


def all_exercises(root: Path, tests: Path) -> dict[str, Exercise]:
    """Key -> exercise, of all masters below `root`.

    Parameters
    ----------
    root : Path
        With `solutions/`, or such a folder itself.
    tests : Path
        The folder with `checks/`, the public tests, and `hidden/`.

    Raises
    ------
    ValueError
        If there is no master, or one has no tests.
    """
    return {key: Exercise(key, master, tests) for key, master in exercises(root).items()}
