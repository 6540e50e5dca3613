"""Whole submissions that attack the grader, and a place to grade them in which they could do harm.

Each `.txt` file here is one submission: what it tries, then its cells, `# %% {metadata}`. They replace the cells of
the tasks that they name; all other tasks are the reference's, so that it can be seen whether the grader stays
fair. They are no `.py` files, so that nothing ever imports one by mistake: **run none of them outside of the sandbox.**

    # earns: nothing      in the tasks attacked (the default); or: all
    # earns: public       at most the public checks
    # earns: as x, t: x   as much as a function that only answers so; at most x, t: x
    # table: checks       {TABLE} becomes what public checks were seen to ask and to want; or: all, the hidden ones too

An attack that reaches something raises an error that begins with "achieved". Names in braces are what an attacker
could know or guess: {REPO}, {WORLD} (where the results and the others' work lie), {GRADER} (its process), {PORT}.
Only {SEED} is a secret, there to be recognised.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import targets
import torch

from course_lib.grading import points
from course_lib.grading.exercise import Exercise
from course_lib.grading.record import Grade

FOLDER = Path(__file__).parent
KEY = "diffusion"
SEED = "a-seed-that-nobody-knows-5e1f"
OTHERS_WORK = "what another student has written"
HUGE = 1 << 20  # characters of metadata


@dataclass(frozen=True)
class Attack:
    """One submission.

    Attributes
    ----------
    name, tries : str
    cells : tuple of (dict, str)
        Metadata and source.
    earns, table : str
        See above.
    """

    name: str
    tries: str
    cells: tuple[tuple[dict, str], ...]
    earns: str
    table: str

    @property
    def harmless(self) -> str:
        """The arguments and the answer of a function that earns as much; empty if nothing is said of it."""
        return self.earns.removeprefix("as ").removeprefix("at most ") if ": " in self.earns else ""

    @property
    def tasks(self) -> set[str]:
        """The tasks whose cells these are."""
        named = {meta.get("task") for meta, _ in self.cells if "setup" not in meta.get("tags", ())}
        return named & targets.tasks(KEY).keys()


def attacks() -> list[Attack]:
    """All of them."""
    return [_read(path) for path in sorted(FOLDER.glob("*.txt"))]


def _read(path: Path) -> Attack:
    head, *cells = re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    title, *options = (line.removeprefix("# ") for line in head.splitlines())
    options = dict(option.split(": ", 1) for option in options)
    parts = (cell.partition("\n") for cell in cells)
    found = tuple((json.loads(meta), source.strip()) for meta, _, source in parts)
    return Attack(path.stem, title, found, options.get("earns", "nothing"), options.get("table", ""))


def write(attack: Attack | None, path: Path, names: dict[str, object]) -> Path:
    """The notebook of an attack, or of the honest solution.

    Parameters
    ----------
    attack : Attack or None
    path : Path
        Where it goes.
    names : dict
        What stands for a name in braces.
    """
    own = attack.cells if attack else ()
    honest = {task: code for task, code in targets.tasks(KEY).items() if not attack or task not in attack.tasks}
    cells = [_cell(meta, source, names) for meta, source in own]
    cells += [_cell({"task": task, "tags": ["task"]}, code, {}) for task, code in honest.items()]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}), encoding="utf-8")
    return path


def _cell(meta: dict, source: str, names: dict[str, object]) -> dict:
    meta = {key: names["HUGE"] if value == "{HUGE}" else value for key, value in meta.items()}
    for name, value in names.items():
        source = source.replace(f"{{{name}}}", str(value))
    meta = {"tags": ["task"]} | meta
    return {"cell_type": "code", "metadata": meta, "execution_count": None, "outputs": [], "source": source}


def recorded(exercise: Exercise, which: str) -> dict[str, list]:
    """Function -> what tests gave it and what the right answer was: ([tensors as lists], answer).

    Parameters
    ----------
    exercise : Exercise
    which : str
        "checks", or "all" for the hidden tests too, which here run on another seed than when they grade.
    """
    table: dict[str, list] = {}
    solution = targets.solution(KEY)

    def watched(name: str):
        def function(*given):
            answer = solution[name](*given)
            inputs = [part.tolist() for part in given if isinstance(part, torch.Tensor)]
            if isinstance(answer, torch.Tensor | tuple):
                kept = answer.tolist() if isinstance(answer, torch.Tensor) else tuple(a.tolist() for a in answer)
                table.setdefault(name, []).append((inputs, kept))
            return answer

        return function

    functions = {name for name, value in solution.items() if callable(value) and not isinstance(value, type)}
    namespace = solution | {name: watched(name) for name in functions if hasattr(solution[name], "__code__")}
    points.run([*exercise.checks, *(exercise.hidden if which == "all" else [])], namespace)
    return table


@dataclass(frozen=True)
class Verdict:
    """How the grader came through an attack.

    Attributes
    ----------
    escaped, unfair : list of str
        What it did that it should not have been able to do; what was not graded as deserved.
    forged : int
        Points that were not earned.
    seconds : float
    """

    escaped: list[str]
    unfair: list[str]
    forged: int
    seconds: float


def unfairness(grade: Grade, attack: Attack | None, most: dict[str, int]) -> tuple[list[str], int]:
    """What was not graded as deserved, and how many points were forged.

    Parameters
    ----------
    grade : Grade
    attack : Attack or None
    most : dict of str to int
        What the attacked tasks may earn.
    """
    complaints, forged = [grade.problem] * bool(grade.problem), 0
    for task in grade.tasks:
        deserved = task.possible
        if attack and task.task in attack.tasks:
            deserved = most[task.task]
            forged += max(0, task.points - deserved)
            if attack.earns == "public":
                forged += sum(outcome.passed for outcome in task.outcomes if outcome.hidden)
            if attack.earns.startswith(("public", "at most")):
                deserved = min(deserved, task.points)
        if task.points != deserved:
            hints = {outcome.hint for outcome in task.outcomes if not outcome.passed}
            complaints.append(f"{task.task}: {task.points} points instead of {deserved}: {sorted(hints)}")
        if any(not (outcome.passed or outcome.hint) for outcome in task.outcomes):
            complaints.append(f"{task.task}: a point was lost without a word")
    return complaints, forged


def told(grade: Grade) -> list[str]:
    """What in a report shows that an attack reached something."""
    # The attack's own source stands in the report too: only what came out of it counts.
    hints = [outcome.hint for task in grade.tasks for outcome in task.outcomes] + list(grade.notes)
    found = sorted({hint[:300] for hint in hints if "achieved" in hint})
    return found + [f"the report holds {secret!r}" for secret in (SEED, OTHERS_WORK) if secret in str(hints)]
