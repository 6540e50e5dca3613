"""Measured numbers and quoted code: what a notebook shows in letters.

Both carry their own plain text, so that they survive where nobody renders HTML.
"""

import ast
import html
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CELL = "padding:0.25em 0.9em;border-bottom:1px solid #d0d0d0"
PRE = "background:transparent;color:#1f1f1f;margin:0;line-height:1.35"  # dark on light in a dark notebook too


@dataclass(frozen=True)
class Table:
    """Rows of cells, text already."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...] = field(repr=False)
    caption: str = ""

    def markdown(self) -> str:
        rule = [("---:" if numeric else "---") for numeric in self.numeric]
        lines = [" | ".join(row) for row in (self.columns, rule, *self.rows)]
        return "\n".join(f"| {line} |" for line in lines) + (f"\n\n{self.caption}" if self.caption else "")

    def html(self) -> str:
        head = "".join(self._cell("th", 'scope="col" ', i, text) for i, text in enumerate(self.columns))
        body = "".join(f"<tr>{self._row(row)}</tr>" for row in self.rows)
        caption = f'<caption style="caption-side:bottom;text-align:left">{html.escape(self.caption)}</caption>'
        return f"<table>{caption if self.caption else ''}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _row(self, row: tuple[str, ...]) -> str:
        first = self._cell("th", 'scope="row" ', 0, row[0])
        return first + "".join(self._cell("td", "", i, text) for i, text in enumerate(row) if i)

    def _cell(self, tag: str, scope: str, column: int, text: str) -> str:
        side = "right" if self.numeric[column] else "left"
        return f'<{tag} {scope}style="text-align:{side};{CELL}">{html.escape(text)}</{tag}>'

    def __str__(self) -> str:
        return self.markdown()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/markdown": self.markdown(), "text/plain": self.markdown()}


def table(
    rows: Sequence[Mapping[str, object]],
    *,
    columns: Sequence[str] | None = None,
    digits: int = 3,
    caption: str = "",
) -> Table:
    """A table of measured numbers.

    Parameters
    ----------
    rows : sequence of mappings
        Column -> value. The first column names the row.
    columns : sequence of str, optional
        Which, and in which order; those of the first row if not given. A missing value shows as –.
    digits : int
        Significant digits of floats.
    caption : str
        How the numbers were measured.

    Raises
    ------
    ValueError
        If there are no rows, or a row has a column that the table has not.

    Examples
    --------
    >>> print(table([{"solver": "Euler", "steps": 32, "excess": 0.20512}]))
    | solver | steps | excess |
    | --- | ---: | ---: |
    | Euler | 32 | 0.205 |
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    names = tuple(columns or rows[0])
    for row in rows:
        if unknown := set(row) - set(names) if columns is None else set():
            raise ValueError(f"the first row has the columns {names}, another one {sorted(unknown)} besides: name them")
    cells = tuple(tuple(_cell(row.get(name), digits) for name in names) for row in rows)
    numeric = tuple(all(isinstance(row.get(name), int | float | None) for row in rows) for name in names)
    return Table(names, cells, numeric, caption)


def _cell(value: object, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return _number(value, digits)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _number(value: float, digits: int) -> str:
    if 10**digits - 0.5 <= abs(value) < 1e7:
        return f"{value:,.0f}"  # 12,345 rather than 1.23e+04
    return f"{value:#.{digits}g}".rstrip(".") if value else "0"


@dataclass(frozen=True)
class Source:
    """Code as it stands in the library, and where it stands."""

    code: str
    place: str

    def html(self) -> str:
        formatter = HtmlFormatter(noclasses=True, cssstyles="background:#f7f7f7;padding:0.6em 0.9em", prestyles=PRE)
        place = f'<div style="color:#555;background:#f7f7f7;padding:0.4em 0.9em 0"><small>{self.place}</small></div>'
        return f'<div style="color:#1f1f1f">{place}{highlight(self.code, PythonLexer(), formatter)}</div>'

    def __str__(self) -> str:
        return f"# {self.place}\n{self.code}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        markdown = f"`{self.place}`\n```python\n{self.code}\n```"
        return {"text/html": self.html(), "text/markdown": markdown, "text/plain": str(self)}


def show_code(obj: Callable | type, *, docstring: bool = False) -> Source:
    """The source of a function, a method or a class, as the library runs it.

    Parameters
    ----------
    obj : function, method or class
    docstring : bool
        Whether to show its documentation too. Without it the code stays short; `help(obj)` has it.

    Raises
    ------
    ValueError
        If it has no Python source, such as what is built into Python or written in C++.
    """
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(obj))
        file = inspect.getsourcefile(inspect.unwrap(obj)) or ""
    except (TypeError, OSError) as error:
        raise ValueError(f"{obj!r} has no Python source to show: give a function, a method or a class") from error
    code = textwrap.dedent("".join(lines)).rstrip()
    return Source(code if docstring else _without_docstrings(code), _place(file, first or 1))


def _place(file: str, line: int) -> str:
    parts = file.replace("\\", "/").split("/")
    if "course_lib" not in parts:
        return "this notebook"
    start = len(parts) - 1 - parts[::-1].index("course_lib")
    return f"{'/'.join(parts[start:])}, line {line}"


def _without_docstrings(code: str) -> str:
    lines = code.splitlines()
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in sorted(nodes, key=lambda node: -node.lineno):  # from below, so that line numbers above stay right
        text = node.body[0]
        if len(node.body) > 1 and ast.get_docstring(node) is not None:
            end = text.end_lineno or text.lineno
            end += not lines[end].strip()  # the blank line below it
            lines[text.lineno - 1 : end] = []
    return "\n".join(lines)
