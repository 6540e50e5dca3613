"""What a file that was handed in holds, however odd it is.

A learning platform gives back whatever was uploaded: notebooks saved by Jupyter, Colab, an editor or an old
IPython, and also PDFs, folders, links and broken halves of files. Nothing here runs, and nothing of the
file's shape is trusted: what can be read is read, and everything else is `Unreadable` with a sentence that
an instructor can send on.
"""

import json
import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

LARGEST = 20_000_000  # bytes; outputs with many pictures stay below this
LONGEST = 100_000  # characters of one cell; longer ones are not looked into
MOST_CODE = 500_000  # characters of all other code cells
MOST_CELLS = 5_000
KINDS = {b"PK": "it is a zip, to be unpacked first", b"%PDF": "it is a PDF", b"<": "it is a web page"}


class Unreadable(ValueError):  # noqa: N818  (read by instructors)
    """A submission that cannot be graded. Its text says why."""


class Found(NamedTuple):
    """A cell as it was handed in.

    Attributes
    ----------
    number : int
        Counted from 1 over all cells.
    code : bool
        Whether it is a code cell.
    source : str
        With "\\n" as its line ends.
    tags : frozenset of str
    task : str
        The task that its metadata name; empty if they name none.
    """

    number: int
    code: bool
    source: str
    tags: frozenset[str]
    task: str


def cells(path: Path) -> list[Found]:
    """The cells of a notebook file.

    Raises
    ------
    Unreadable
        If there is no such file, it is a link, no plain file, too large, no notebook, or has no cells.
    """
    data = _bytes(path)
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        kind = next(
            (kind for start, kind in KINDS.items() if data.lstrip().startswith(start)), "it cannot be read as JSON"
        )
        raise Unreadable(f"{shown(path.name)} is not a notebook: {kind}") from error
    listed = _listed(notebook, shown(path.name))
    if not listed:
        raise Unreadable(f"{shown(path.name)} is empty: it has no cells")
    if len(listed) > MOST_CELLS:
        raise Unreadable(f"{shown(path.name)} has {len(listed):,} cells; more than {MOST_CELLS:,} are not read")
    found = [_found(number, cell) for number, cell in enumerate(listed, start=1)]
    if sum(len(cell.source) for cell in found if cell.code and len(cell.source) <= LONGEST) > MOST_CODE:
        raise Unreadable(f"{shown(path.name)} has more than {MOST_CODE:,} characters of code; they are not read")
    return found


def _bytes(path: Path) -> bytes:
    """The file's content; never follows a link, never waits at a pipe."""
    try:
        with _opened(path) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"{shown(path.name)} cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise Unreadable(f"{shown(path.name)} is larger than {LARGEST // 1_000_000} MB: its outputs should be cleared")
    if not data.strip():
        raise Unreadable(f"{shown(path.name)} is empty")
    return data


def _opened(path: Path) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise Unreadable(f"{shown(path.name)} is a link, not a file; what it points to is not read")
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode) and not os.listdir(path):
            raise Unreadable(f"{shown(path.name)} is an empty folder: no file was handed in")
        raise Unreadable(f"{shown(path.name)} is a folder, a pipe or a device, not a file")
    return open(descriptor, "rb")


def _listed(notebook: object, name: str) -> list:
    """The cells of nbformat 4, or those of 3, which lie in worksheets."""
    if isinstance(notebook, dict):
        if isinstance(notebook.get("cells"), list):
            return notebook["cells"]
        if isinstance(sheets := notebook.get("worksheets"), list):
            lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
            return [cell for cells in lists if isinstance(cells, list) for cell in cells]
    raise Unreadable(f"{name} is not a notebook: it has no list of cells")


def _found(number: int, cell: object) -> Found:
    if not isinstance(cell, dict):
        return Found(number, False, "", frozenset(), "")
    metadata = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
    tags = metadata["tags"] if isinstance(metadata.get("tags"), list) else []
    task = metadata.get("task")
    source = _text(cell["source"] if "source" in cell else cell.get("input"))  # nbformat 3 says input
    return Found(
        number,
        cell.get("cell_type") == "code",
        source,
        frozenset(tag for tag in tags if isinstance(tag, str)),
        task if isinstance(task, str) else "",
    )


def shown(text: str) -> str:
    """A stranger's text as it may stand in a sentence: nothing that moves a cursor or cannot be written."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _text(source: object) -> str:
    """Text that can be written as UTF-8, from a string or a list of strings."""
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return ""
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return source.encode("utf-8", "replace").decode("utf-8")
