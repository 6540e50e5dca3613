"""What lies in a folder of submissions, as learning platforms give it back.

Each file that somebody handed in is one submission, also one that is no notebook: it gets a row that says so.
So does a student's folder with nothing in it. What computers leave behind (hidden files, checkpoints,
__MACOSX) is passed over.
"""

from pathlib import Path
from typing import NamedTuple

LITTER = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}


class HandedIn(NamedTuple):
    """One submission.

    Attributes
    ----------
    name : str
        Its path below the folder, "anna/03_diffusion.ipynb".
    path : Path
        A file, or a student's folder that is empty.
    """

    name: str
    path: Path


def handed_in(folder: Path) -> list[HandedIn]:
    """All submissions below a folder, or the one file that it is, by name.

    Raises
    ------
    ValueError
        If there is nothing there.
    """
    if folder.is_file() or folder.is_symlink():
        return [HandedIn(folder.name, folder)]
    if not folder.is_dir():
        raise ValueError(f"there is no folder and no file {folder}")
    found = [HandedIn(str(path.relative_to(folder)), path) for path in _files(folder)]
    if not found:
        raise ValueError(f"nothing was handed in: {folder} is empty")
    return sorted(found)


def _files(folder: Path):
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in LITTER:
            continue
        if path.is_dir() and not path.is_symlink() and path.suffix != ".ipynb":
            inside = list(_files(path))
            yield from inside or [path]
        else:
            yield path
