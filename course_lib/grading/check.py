"""`check("add_noise")`, in the cell below a task: does it work, and if not, what is the misconception?

The public tests of the task run on the function as it stands in the notebook now. What a cell shows
is one line a point, with a hint below each that failed, and no traceback into the tests.
"""

import html
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass

from course_lib import places
from course_lib.grading.points import Point, run

PASSED = "Passed the public checks; hidden tests may still fail."


@dataclass(frozen=True)
class Result:
    """What `check` found; a notebook shows it as the cell's last line.

    Attributes
    ----------
    task : str
    points : tuple of Point
    """

    task: str
    points: tuple[Point, ...]

    @property
    def passed(self) -> bool:
        """Whether every point passed, so that `assert check("add_noise").passed` works."""
        return all(point.passed for point in self.points)

    @property
    def unwritten(self) -> bool:
        """Whether there is nothing to check yet."""
        return all(isinstance(point.error, NotImplementedError) for point in self.points)

    @property
    def verdict(self) -> str:
        if self.passed:
            return PASSED
        if self.unwritten:
            todo = self.points[0].hint.removeprefix(f"task {self.task}: ")
            return f"{self.task} is not written yet: {todo}."
        return f"{sum(point.passed for point in self.points)} of {len(self.points)} public checks passed."

    def __repr__(self) -> str:
        return "\n".join([*([] if self.unwritten else map(_line, self.points)), self.verdict])

    def _repr_html_(self) -> str:
        rows = "" if self.unwritten else "".join(map(_row, self.points))
        weight = "bold" if self.passed else "normal"
        verdict = f'<div style="font-weight:{weight}">{html.escape(self.verdict)}</div>'
        return f'<div style="line-height:1.6">{rows}{verdict}</div>'


def check(task: str, namespace: MutableMapping[str, object] | None = None) -> Result:
    """Run the public checks of a task on the function that the notebook holds now.

    Parameters
    ----------
    task : str
        The name in the task's heading, "add_noise".
    namespace : mapping, optional
        Where to look the function up; the caller's globals if not given.

    Returns
    -------
    Result
        Shows itself when it is a cell's last line; `passed` is the verdict.

    Raises
    ------
    ValueError
        If there is no such task.
    """
    if namespace is None:
        namespace = sys._getframe(1).f_globals
    files = sorted(places.checks().glob("test_*.py"))
    if not files:
        raise ValueError(f"there are no public checks in {places.checks()}: install the course anew")
    return Result(task, tuple(run(files, namespace, task)))


def _line(point: Point) -> str:
    return f"✓ {point.asked}" if point.passed else f"✗ {point.asked}\n    {point.told}"


def _row(point: Point) -> str:
    colour, sign = ("#1a7f37", "✓") if point.passed else ("#cf222e", "✗")
    row = f'<div><span style="color:{colour}">{sign}</span> {html.escape(point.asked)}</div>'
    if point.passed:
        return row
    return f'{row}<div style="margin-left:1.5em;color:{colour}">{html.escape(point.told)}</div>'
