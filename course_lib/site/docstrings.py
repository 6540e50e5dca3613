"""Docstrings of the library, which are plain text, as Sphinx's markup.

In plain text `*`, `|`, `_` and a backslash mean themselves, an indented line is a formula, and columns are
lined up with spaces. A docstring gets what it takes for Sphinx to show the same; numpydoc's sections are left
to napoleon, which reads them next.
"""

import re
from collections.abc import Iterator

BEFORE_NAPOLEON = 400


def setup(app) -> dict[str, bool]:
    """Make this module a Sphinx extension."""
    app.connect("autodoc-process-docstring", _process, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(app, what: str, name: str, obj: object, options, lines: list[str]) -> None:
    lines[:] = marked_up(lines)


def _skip(app, what: str, name: str, obj: object, skip: bool, options) -> bool | None:
    """A named tuple's fields stand in its docstring; Python's own words for them say nothing."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def marked_up(lines: list[str]) -> list[str]:
    """The lines of a docstring in Sphinx's markup.

    Examples
    --------
    >>> marked_up(["`f` of |x|", "", "    a_ * b", "    c"])
    ['``f`` of \\\\|x\\\\|', '', '::', '', '    a_ * b', '    c', '']
    """
    first = next((i for i, line in enumerate(lines[1:]) if re.fullmatch(r"-{3,}", line)), len(lines))
    return [*_prose(lines[:first]), *_sections(lines[first:])]


def _prose(lines: list[str]) -> Iterator[str]:
    """What stands before the sections: paragraphs, some of which must keep their form."""
    for paragraph in "\n".join(lines).split("\n\n"):
        part = paragraph.split("\n")
        if not _keeps_form(part):
            yield from (escaped(line) for line in part)
        else:
            yield from ("::", "", *(line if line.startswith("    ") else f"    {line}" for line in part))
        yield ""


def _keeps_form(paragraph: list[str]) -> bool:
    lined_up = sum(bool(re.search(r"\S {2,}\S", line)) for line in paragraph)
    return paragraph[0].startswith(" ") or lined_up > 1


def _sections(lines: list[str]) -> Iterator[str]:
    """Parameters, Returns, Examples ...: doctests stay as they are."""
    in_doctest = False
    for line in lines:
        in_doctest = bool(line.strip()) and (in_doctest or line.lstrip().startswith(">>>"))
        yield line if in_doctest or re.fullmatch(r"-{3,}", line) else escaped(line)


def escaped(line: str) -> str:
    """A line in which everything means itself, except what stands between backticks: code.

    Examples
    --------
    >>> escaped("`x`s of *args and h_ in N")
    '``x``\\\\ s of \\\\*args and h\\\\_ in N'
    """
    parts = re.split(r"(?<![`\w])`([^`\s](?:[^`]*[^`\s])?)`", line)
    return "".join(_code(part, parts[i + 1]) if i % 2 else _plain(part) for i, part in enumerate(parts))


def _code(text: str, following: str) -> str:
    return f"``{text}``" + (r"\ " if re.match(r"[\w(]", following) else "")


def _plain(text: str) -> str:
    text = re.sub(r"([\\*|`])", r"\\\1", text)
    return re.sub(r"(?<=\w)_(?!\w)", r"\_", text)
