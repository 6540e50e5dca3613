"""The folder in which a submission may write: how full it is, and emptying it whatever lies in it."""

import os
import stat
from pathlib import Path

_DEEPEST = 100  # folders within folders; whoever needs more wants to break something
_BLOCK = 512  # bytes, the unit of st_blocks


class TooDeepError(OSError):
    """There are more folders within folders than anybody needs."""


def used(folder: Path, most_files: int) -> tuple[int, int]:
    """Bytes on disk and number of entries below a folder; counting ends beyond `most_files`.

    Raises
    ------
    TooDeepError
        If folders lie too deep within one another.
    """
    size = count = 0
    level = [str(folder)]
    for depth in range(_DEEPEST):
        below = []
        for path in level:
            for entry in _entries(path):
                size, count = size + _size(entry), count + 1
                if count > most_files:
                    return size, count
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
        if not below:
            return size, count
        level = below
    raise TooDeepError(f"more than {_DEEPEST} folders within one another")


def _entries(path: str) -> list[os.DirEntry]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:  # gone since, or closed to us
        return []


def _size(entry: os.DirEntry) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except OSError:
        return 0


def empty(folder: Path) -> None:
    """Remove all that lies in a folder, links but not what they lead to, at any depth.

    Folders are lifted to the top before they are emptied, so that no path is ever too long for the
    kernel and nothing calls itself. Nobody else may be writing there.
    """
    serial = 0
    while entries := _entries(str(folder)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, stat.S_IRWXU)
            for inner in _entries(entry.path):
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner.path, stat.S_IRWXU)  # a folder that changes place is itself written to
                    while os.path.lexists(lifted := folder / f"{serial}.lifted"):
                        serial += 1
                    os.rename(inner.path, lifted)
                else:
                    os.unlink(inner.path)
            os.rmdir(entry.path)
