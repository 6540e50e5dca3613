"""How an error travels: its kinds, its text, and the line of the student's code that raised it.

What arrives is an error of the nearest kind that Python itself knows, so that `pytest.raises(ValueError)`
sees a student's `ValueError`, and nothing that the other side defines is ever built here.
"""

import builtins
import linecache
import traceback
from collections.abc import Callable, Set
from types import FrameType
from typing import NamedTuple

LONGEST = 1000  # characters of a text
CELL = "<{}>"  # the file's name of a cell's code


class Where(NamedTuple):
    """A line of a student's code: the cell's name, the line in it, the function, and the line itself."""

    cell: str
    line: int
    function: str
    code: str


def execute(source: str, namespace: dict[str, object], name: str) -> None:
    """Run a cell as a notebook does, with its lines known to tracebacks under the cell's name."""
    file = CELL.format(name)
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), namespace)


def told(error: BaseException, cells: Set[str]) -> dict:
    """The error as plain data; a line of one of these cells may be told."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    files = {CELL.format(name) for name in cells}
    return {
        "kinds": kinds,
        "text": str(error.msg if isinstance(error, SyntaxError) else error)[:LONGEST],  # else with cell and line again
        "where": where(error, lambda frame: frame.f_code.co_filename in files),
    }


def where(error: BaseException, is_own: Callable[[FrameType], bool]) -> Where | None:
    """The innermost line of the student's own that an error passed through."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if is_own(frame):
            file = frame.f_code.co_filename
            code = linecache.getline(file, line).strip()
            return Where(file.strip("<>"), line, frame.f_code.co_name, code[:LONGEST])
    if isinstance(error, SyntaxError) and error.filename is not None and error.filename.startswith("<"):
        return Where(error.filename.strip("<>"), error.lineno or 1, "", (error.text or "").strip()[:LONGEST])
    return None


def rebuilt(body: dict) -> Exception:
    """An error from what was told of it; it carries the `kind` that it had and its place, `where`.

    Raises
    ------
    KeyError, TypeError, ValueError
        If this was not told by `told`.
    """
    kinds, text = [str(kind)[:LONGEST] for kind in body["kinds"]], str(body["text"])[:LONGEST]
    error = _nearest(kinds)(text)
    error.kind, error.where = kinds[0], None
    if body["where"] is not None:
        cell, line, function, code = body["where"]
        error.where = Where(str(cell)[:LONGEST], int(line), str(function)[:LONGEST], str(code)[:LONGEST])
    return error


def _nearest(kinds: list[str]) -> type[Exception]:
    for kind in kinds:
        found = getattr(builtins, kind, None)
        if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, _UNTELLABLE):
            return found
    return RuntimeError


# Built from other things than a text, or with a meaning of their own to those who catch them.
_UNTELLABLE = UnicodeError, StopIteration, StopAsyncIteration, ExceptionGroup, Warning
