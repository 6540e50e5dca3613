"""Which cells of what a student handed in are graded.

In this order, whatever the notebook looks like:

1. The setup cells of the instructor's master; what the student made of their own is not run.
2. From the student, in the notebook's order: the cells of the tasks, and cells that only define.

A task's cell is known by the functions that it defines; where it has none of them, by its metadata. If a later
cell defines again all that an earlier one does, the last wins, as in a notebook; a task that was split over two
cells keeps both. A cell that defines such a function on trial and does other work too counts only where the task
has no other. Pictures, training, checks and the bootstrap cell are never run.

What "only define" means stands in definitions.py. Where a cell defines functions and also does other work, a
note says that it was left out.

Nothing of a submission runs here: cells are read, never executed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from course_lib.grading.definitions import FUNCTION, Seen, look
from course_lib.grading.ipynb import Found, Unreadable, cells, shown
from course_lib.grading.masters import Master, exercises, master_of

__all__ = ["Cell", "Submission", "Unreadable", "exercises", "key_of", "read", "setup_cells"]

NEVER = frozenset({"skip-grading", "check", "bootstrap", "setup"})


class Cell(NamedTuple):
    """A cell to run.

    Attributes
    ----------
    name : str
        "task add_noise", or "cell 7", counted from 1 over all cells of the notebook.
    source : str
        Python; its lines are numbered as the student sees them.
    """

    name: str
    source: str


class Submission(NamedTuple):
    """What is graded of a notebook that was handed in.

    Attributes
    ----------
    key : str
        The exercise, "diffusion".
    cells : tuple of Cell
        To be run in this order, after `setup_cells`.
    notes : tuple of str
        What student and instructor should know of the choice.
    code : dict of str to str
        Task -> its cell as it is graded; a task without a cell is not there.
    """

    key: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    code: dict[str, str]


def read(path: Path, master: Path) -> Submission:
    """What is to be graded of the file that was handed in.

    Parameters
    ----------
    path : Path
        The student's notebook, whatever it is called.
    master : Path
        The instructor's, `solutions/03_diffusion.py`.

    Raises
    ------
    Unreadable
        If the file is missing, no notebook, too large or empty, or has no cell of any task of this exercise.
    """
    exercise = master_of(master)
    found = cells(path)
    seen = _assigned([look(cell, exercise) for cell in found if cell.code], exercise)
    mine = [cell for cell in seen if cell.tasks]
    if not mine:
        raise Unreadable(f"{shown(path.name)} has no cell of any task of the exercise {exercise.key!r}")
    last = _last(mine)
    helpers = [cell for cell in seen if not cell.tasks and _helps(cell, exercise)]
    run = sorted([*last, *helpers], key=lambda cell: cell.number)
    names = _names(run)
    notes = [*_notes(found, seen, mine, exercise), *_omissions(run, names)]
    code = {task: "\n\n".join(cell.source for cell in last if task in cell.tasks) for task in exercise.tasks}
    return Submission(
        exercise.key,
        tuple(Cell(names[cell.number], cell.source) for cell in run),
        tuple(notes),
        {task: source for task, source in code.items() if source},
    )


def setup_cells(master: Path) -> tuple[Cell, ...]:
    """The instructor's setup cells, which run before the student's."""
    return tuple(Cell(f"setup {number}", source) for number, source in enumerate(master_of(master).setup, start=1))


def key_of(path: Path, masters: Mapping[str, Path]) -> str:
    """Which exercise a notebook is: that of most of its tasks, by their metadata, else by their functions.

    Parameters
    ----------
    path : Path
        The notebook; its name does not matter.
    masters : mapping of str to Path
        Key -> master, as `exercises` gives them.

    Raises
    ------
    Unreadable
        If it cannot be read, or has no cell of any task of any exercise.
    """
    found = [cell for cell in cells(path) if cell.code]
    named = {cell.task for cell in found}
    defined = {name for cell in found for name in FUNCTION.findall(cell.source)}
    score = {}
    for key, path_of_master in masters.items():
        tasks = master_of(path_of_master).tasks
        score[key] = len(named & tasks.keys()), len(defined & frozenset().union(*tasks.values()))
    best = max(score, key=score.__getitem__, default=None)
    if best is None or not any(score[best]):
        raise Unreadable(f"{shown(path.name)} has no cell of any task of the exercises: {', '.join(masters) or 'none'}")
    return best


def _assigned(seen: list[Seen], exercise: Master) -> list[Seen]:
    """The cells with their tasks; a weak one counts only for tasks that have no other cell but an unchanged stub."""
    written = [cell for cell in seen if cell.source.strip() not in exercise.sources]
    proper = {task for cell in written for task in cell.tasks if not _is_weak(cell, task)}
    return [
        cell._replace(tasks=tuple(task for task in cell.tasks if not (_is_weak(cell, task) and task in proper)))
        for cell in seen
    ]


def _is_weak(cell: Seen, task: str) -> bool:
    """A cell of pictures that happens to define a task's function, or one that defines it on trial and uses it."""
    return bool(cell.tags & NEVER) or (cell.claimed != task and not cell.defines_only)


def _last(mine: list[Seen]) -> list[Seen]:
    """Without the cells that later ones of the same task define again as a whole."""
    kept, later = [], defaultdict(set)
    for cell in reversed(mine):
        again = set().union(*(later[task] for task in cell.tasks if task in later))
        if not any(task in later for task in cell.tasks) or not cell.names <= again:
            kept.append(cell)
        for task in cell.tasks:
            later[task] |= cell.names
    return kept[::-1]


def _helps(cell: Seen, exercise: Master) -> bool:
    own = cell.source.strip() not in exercise.sources and not cell.tags & NEVER
    return own and cell.defines_only and bool(cell.names) and not _hides(cell, exercise)


def _hides(cell: Seen, exercise: Master) -> set[str]:
    """Functions of tasks to which the cell gives another meaning: coverage = 0.5."""
    return set().union(*exercise.tasks.values()) & (cell.names - cell.functions)


def _names(run: list[Seen]) -> dict[int, str]:
    """The number of a cell -> its name; of a task's cells the last is named after it."""
    last = {cell.tasks[0]: cell.number for cell in run if cell.tasks}
    numbers = {number: f"task {task}" for task, number in last.items()}
    return {cell.number: numbers.get(cell.number, f"cell {cell.number}") for cell in run}


def _notes(found: list[Found], seen: list[Seen], mine: list[Seen], exercise: Master) -> Iterator[str]:
    for task in exercise.tasks:
        numbers = [cell.number for cell in mine if task in cell.tasks]
        if len(numbers) > 1:
            told = ", ".join(map(str, numbers[:9])) + ", …" * (len(numbers) > 9)
            yield f"{task} stands in the cells {told}; what is defined last counts"
        if lost := [cell.number for cell in found if cell.task == task and not cell.code]:
            yield f"cell {lost[0]} belongs to {task} but is not a code cell"
    for cell in seen:
        changed = cell.source.strip() not in exercise.sources
        if "setup" in cell.tags and changed and not cell.tasks:
            yield f"cell {cell.number}, the setup, was changed; grading uses the original: import in the task's cell"
        elif changed and not cell.tasks and not cell.tags & NEVER:
            if cell.defines_only and (hidden := _hides(cell, exercise)):
                yield f"cell {cell.number} was left out: it gives {', '.join(sorted(hidden))} another meaning"
            elif cell.functions and not cell.defines_only:
                yield f"cell {cell.number} was left out, with what it defines: it does more than define"


def _omissions(run: list[Seen], names: dict[int, str]) -> Iterator[str]:
    cells = defaultdict(list)
    for cell in run:
        cells[tuple(cell.left_out)].append(names[cell.number])
    cells.pop((), None)
    for lines, where in cells.items():
        told = ", ".join(shown(line.split("\n")[0][:60]) for line in lines[:3])
        more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
        rest = f" and {len(where) - 3} more" if len(where) > 3 else ""
        yield f"left out of {', '.join(where[:3])}{rest}, for it is not Python: {told}{more}"
