"""From one master to the student edition.

`solutions/03_diffusion.py` holds text, tasks, reference solutions, checks and pictures. What a student
gets is made from it, `exercises/03_diffusion.ipynb`: what stands between the markers

    ### BEGIN SOLUTION
    ### END SOLUTION

becomes `raise NotImplementedError`, and nothing of it may be left anywhere in the notebook. Cells carry
tags, by which they are found again when the notebook comes back:

    bootstrap       installs the course where it is missing
    setup           imports and givens, which grading takes from the master
    task            a task; its metadata say task="name" difficulty=1..5 importance=1..5 minutes=n
    check           check("name")
    skip-grading    pictures and training
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib.notebooks import source as notebooks

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SHORTEST_LEAK = 12  # characters; shorter lines ("return x") give nothing away, nor do these:
HARMLESS = ("with torch.no_grad():",)
FIELDS = ("task", "difficulty", "importance", "minutes")


class Task(NamedTuple):
    """What the master says of a task.

    Attributes
    ----------
    name : str
    difficulty, importance : int
        From 1 to 5.
    minutes : int
        That it takes a student who followed the notebook.
    code : str
        The cell, solution included.
    """

    name: str
    difficulty: int
    importance: int
    minutes: int
    code: str


def student_edition(source: Path) -> NotebookNode:
    """The notebook that a student gets.

    Parameters
    ----------
    source : Path
        The master, in jupytext's percent format.

    Raises
    ------
    ValueError
        If markers do not pair, a task has no solution or no check, its metadata are incomplete, or a
        line of a solution or of a hidden test stands where a student would read it.
    """
    master = jupytext.read(source, fmt="py:percent")
    tasks_of(master)
    lines = solution_lines(master)
    metadata = [dict(cell.metadata) for cell in _code(master)]
    for above, cell in zip([None, *master.cells], master.cells):
        if "task" in notebooks.tags(cell):
            _announce(above, _task(cell))
            cell.source = stub(cell.source, cell.metadata["task"])
    notebook = notebooks.standard(master, f"exercises/{source.stem}.ipynb")
    for cell, given in zip(_code(notebook), metadata):
        _identify(cell, given)
    refuse_leaks(notebook, lines, "a solution")
    refuse_leaks(notebook, hidden_lines(source, source.resolve().parents[1] / "tests"), "a hidden test")
    nbformat.validate(notebook)
    return notebook


def tasks_of(master: NotebookNode) -> list[Task]:
    """The tasks of a master, in order; see `student_edition` for what is refused."""
    tasks = [_task(cell) for cell in _code(master) if "task" in notebooks.tags(cell)]
    for cell in _code(master):
        if "task" not in notebooks.tags(cell) and (BEGIN in cell.source or END in cell.source):
            raise ValueError(f"a solution stands outside of a task: {cell.source[:60]!r}")
    names = [task.name for task in tasks]
    if len(set(names)) != len(names):
        raise ValueError(f"two tasks have one name: {', '.join(names)}")
    checks = "\n".join(cell.source for cell in _code(master) if "check" in notebooks.tags(cell))
    if missing := [name for name in names if f'check("{name}")' not in checks]:
        raise ValueError(f"tasks without a cell that checks them: {', '.join(missing)}")
    return tasks


def _task(cell: NotebookNode) -> Task:
    missing = [field for field in FIELDS if field not in cell.metadata]
    if missing:
        raise ValueError(f"a task's cell lacks {', '.join(missing)}: {cell.source[:60]!r}")
    task = Task(*(cell.metadata[field] for field in FIELDS), cell.source)
    if not (1 <= task.difficulty <= 5 and 1 <= task.importance <= 5):
        raise ValueError(f"difficulty and importance of {task.name} must be 1 to 5")
    if not any(True for _ in solution(cell.source)):
        raise ValueError(f"the task {task.name} has no solution between {BEGIN} and {END}")
    return task


def solution(code: str) -> Iterator[str]:
    """The lines between the markers.

    Raises
    ------
    ValueError
        If the markers do not come in pairs.
    """
    inside = False
    for line in code.splitlines():
        if line.strip() in (BEGIN, END):
            if inside == (line.strip() == BEGIN):
                raise ValueError(f"unbalanced {line.strip()} in the cell {code[:60]!r}")
            inside = not inside
        elif inside:
            yield line
    if inside:
        raise ValueError(f"a {BEGIN} without {END} in the cell {code[:60]!r}")


def stub(code: str, task: str) -> str:
    """The code with `raise NotImplementedError` for each solution.

    Examples
    --------
    >>> print(stub("def f():\\n    ### BEGIN SOLUTION\\n    return 1\\n    ### END SOLUTION", "f"))
    def f():
        raise NotImplementedError("task f: write this function, then run its cell and the check below")
    """
    message = f"task {task}: write this function, then run its cell and the check below"
    return re.sub(
        rf"^([ \t]*){BEGIN}\n.*?^[ \t]*{END}[ \t]*$",
        rf'\1raise NotImplementedError("{message}")',
        code,
        flags=re.MULTILINE | re.DOTALL,
    )


def refuse_leaks(text: NotebookNode | str, lines: Iterable[str], of: str) -> None:
    """Raise ValueError if one of the lines stands anywhere in the notebook or text."""
    text = _squeezed(text if isinstance(text, str) else "\n".join(_strings(text)))
    for line in map(_squeezed, lines):
        if len(line) >= SHORTEST_LEAK and line not in HARMLESS and line in text:
            raise ValueError(f"a line of {of} would be given to students: {line!r}")
    if BEGIN in text or END in text:
        raise ValueError("a solution's marker would be given to students")


def _strings(value: object) -> Iterator[str]:
    """All texts in nested lists and mappings, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in _strings(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in _strings(part))


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _announce(above: NotebookNode | None, task: Task) -> None:
    """Below the heading of the text above a task: how hard, how important, how long."""
    if above is None or above.cell_type != "markdown" or not above.source.startswith("#"):
        raise ValueError(f"above the task {task.name} there must be a text that begins with a heading")
    heading, _, text = above.source.partition("\n")
    dots = [sign * n + "⚪" * (5 - n) for sign, n in (("🔴", task.difficulty), ("🔵", task.importance))]
    line = f"`{task.name}` · difficulty {dots[0]} · importance {dots[1]} · about {task.minutes} minutes"
    above.source = f"{heading}\n\n{line}\n{text}"


def _identify(cell: NotebookNode, given: dict) -> None:
    if "task" in notebooks.tags(cell):
        cell.metadata |= {field: given[field] for field in FIELDS}
        cell.id = f"task-{given['task']}"[:64]
    if "skip-grading" in notebooks.tags(cell) and "bootstrap" not in notebooks.tags(cell):
        cell.metadata.tags.append("raises-exception")  # a picture of a task not yet done does not stop "Run all"


def solution_lines(master: NotebookNode) -> list[str]:
    """All lines that stand between a master's markers."""
    return [line for cell in _code(master) for line in solution(cell.source)]


def hidden_lines(source: Path, tests: Path) -> list[str]:
    """What would give away the hidden tests of a master: their longer lines, without signatures."""
    files = sorted((tests / "hidden").glob(f"test_{source.stem.split('_', 1)[-1]}*.py"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    inside = [line.strip() for line in lines if line.startswith(" ")]
    return [line for line in inside if len(line) >= 2 * SHORTEST_LEAK and not line.startswith("def ")]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
