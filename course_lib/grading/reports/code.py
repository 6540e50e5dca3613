"""The student's own cell, highlighted, with the lines that are spoken of marked."""

from collections.abc import Collection
from typing import NamedTuple

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from course_lib.grading.record import TaskGrade
from course_lib.grading.reports.text import code_lines, visible

MOST = 150  # lines that are shown


class Line(NamedTuple):
    """A line of the listing.

    Attributes
    ----------
    number : int
        From 1.
    html : Markup
        Its text, escaped and highlighted.
    marked : bool
    """

    number: int
    html: Markup
    marked: bool


class Listing(NamedTuple):
    """A cell as it is shown.

    Attributes
    ----------
    lines : tuple of Line
    more : int
        How many lines of the cell are left out.
    """

    lines: tuple[Line, ...]
    more: int


def listing(task: TaskGrade) -> Listing:
    """The cell of a task; the lines in which its code raised an error are marked.

    A very long cell is shown from a little before its first marked line.
    """
    if not task.code.strip():
        return Listing((), 0)
    lines = code_lines(task.code)
    marked = _marked(task, len(lines))
    start = max(0, min(marked, default=1) - MOST // 2) if len(lines) > MOST else 0
    shown = [visible(line) for line in lines[start : start + MOST]]
    texts = _highlighted(shown)
    numbered = (Line(start + i + 1, Markup(text), start + i + 1 in marked) for i, text in enumerate(texts))
    return Listing(tuple(numbered), len(lines) - len(shown))


def _marked(task: TaskGrade, length: int) -> Collection[int]:
    places = (outcome.place for outcome in task.outcomes if outcome.place)
    return {place.line for place in places if place.cell == f"task {task.task}" and 1 <= place.line <= length}


def _highlighted(lines: list[str]) -> list[str]:
    """One piece of HTML a line; no element of it reaches into the next."""
    lexer = PythonLexer(stripnl=False, ensurenl=True)
    html = highlight("\n".join(lines), lexer, HtmlFormatter(nowrap=True))
    return html.split("\n")[: len(lines)]
