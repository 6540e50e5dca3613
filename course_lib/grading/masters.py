"""The instructor's notebooks, as grading needs them: setup, tasks and the functions that each task asks for."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jupytext

from course_lib.grading.release import stub, tasks_of
from course_lib.notebooks.source import tags

DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
NUMBERED = re.compile(r"\d+_(\w+)")


class Master(NamedTuple):
    """A master notebook.

    Attributes
    ----------
    key : str
        "diffusion", for solutions/03_diffusion.py.
    setup : tuple of str
        The sources of its setup cells.
    tasks : mapping of str to frozenset of str
        Task -> the functions and classes that it asks for, in the master's order.
    sources : frozenset of str
        All code cells that a student begins with, tasks as stubs; a cell that is one of them was not changed.
    """

    key: str
    setup: tuple[str, ...]
    tasks: Mapping[str, frozenset[str]]
    sources: frozenset[str]


def exercises(root: Path) -> dict[str, Path]:
    """Key -> master, for the masters in `root/solutions`, or in `root` itself if there is no such folder."""
    folder = root / "solutions" if (root / "solutions").is_dir() else root
    found = {match[1]: path for path in sorted(folder.glob("*.py")) if (match := NUMBERED.fullmatch(path.stem))}
    if not found:
        raise ValueError(f"there is no exercise in {folder}: a master is called NN_KEY.py, 03_diffusion.py")
    return found


def master_of(path: Path) -> Master:
    """The master that lies in a file.

    Raises
    ------
    ValueError
        If it is none, or a faulty one (see `release.tasks_of`).
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"there is no master {path}: {error.strerror}") from error
    return _master(path.resolve(), changed)


@lru_cache(maxsize=32)
def _master(path: Path, changed: int) -> Master:
    match = NUMBERED.fullmatch(path.stem)
    if not match:
        raise ValueError(f"a master is called NN_KEY.py, 03_diffusion.py; got {path.name}")
    notebook = jupytext.read(path, fmt="py:percent")
    tasks = {task.name: frozenset(DEFINED.findall(task.code)) for task in tasks_of(notebook)}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    setup = tuple(cell.source for cell in code if "setup" in tags(cell))
    given = (stub(cell.source, cell.metadata["task"]) if "task" in tags(cell) else cell.source for cell in code)
    return Master(match[1], setup, tasks, frozenset(source.strip() for source in given))
