"""A class that hands in: right, partly wrong, empty, broken, oddly named and hostile submissions, from a seed.

python tests/library/classroom.py FOLDER [--count 60] [--key diffusion] [--seed 0]

writes such a class, to look at `course grade` with. Half of it is ordinary work, with the wrong answers of
tests/mutants; the other half is what learning platforms give back on a bad day.
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import targets
from mutants import diffusion, gans, vaes

from course_lib.grading.release import stub, student_edition

WRONG = {"gans": gans.WRONG, "vaes": vaes.WRONG, "diffusion": diffusion.WRONG}
KEYS = tuple(WRONG)
STUB = "stub"
FIRST = ("Anna", "Ben", "Chloé", "Emre", "Fatima", "Goran", "Hana", "Jörg", "María", "Nils", "Oya", "Quyên", "Sofía")
LAST = ("Adler", "Bauer", "Çelik", "Dąbrowski", "Evans", "Haddad", "Ito", "Jensen", "Kaya", "Müller", "Nguyễn")


class Handed(NamedTuple):
    """A submission, and what is to become of it.

    Attributes
    ----------
    name : str
        Its path below the folder.
    kind : str
    key : str
        The exercise; empty if it is none.
    lost : mapping of str to str, or None
        Task -> the answer that stands there instead of the solution (`STUB` for none), all others being right;
        None where nothing can be graded.
    """

    name: str
    kind: str
    key: str
    lost: dict[str, str] | None


class Room:
    """Writes submissions into a folder.

    Parameters
    ----------
    folder : Path
    seed : int
    keys : sequence of str
        The exercises that are handed in.
    """

    def __init__(self, folder: Path, seed: int = 0, keys=KEYS) -> None:
        self.folder, self.keys, self.random = folder, list(keys), random.Random(seed)
        self.handed: list[Handed] = []

    def write(self, kind: str, name: str, content: str | bytes, key: str = "", lost: dict | None = None) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.handed.append(Handed(name, kind, key, lost))

    def student(self, key: str) -> str:
        """A path as one of several platforms makes it, of somebody who is not there yet."""
        first, last = self.random.choice(FIRST), self.random.choice(LAST)
        number = len(self.handed)
        (master,) = targets.ROOT.glob(f"solutions/*_{key}.py")
        return self.random.choice(
            [
                f"{first} {last}_{1000 + number}_assignsubmission_file/{master.stem}.ipynb",
                f"{first.lower()}{number}/{key}/{master.stem}.ipynb",
                f"{last.lower()}{first.lower()}_{number}_{70000 + number}_{master.stem}.ipynb",
                f"{first}_{last}_{number}.ipynb",
            ]
        )

    def solved(self, kind: str, lost: dict[str, str], key: str | None = None, name: str | None = None, change=None):
        """A notebook that is right but for some tasks."""
        key = key or self.keys[len(self.handed) % len(self.keys)]
        notebook = solution(key)
        for cell in task_cells(notebook):
            task = cell["metadata"]["task"]
            if task in lost:
                cell["source"] = stub(targets.tasks(key)[task], task) if lost[task] == STUB else lost[task]
        if change:
            change(notebook)
        self.write(kind, name or self.student(key), json.dumps(notebook, indent=1), key, lost)


def solution(key: str) -> dict:
    """The student edition with every task solved, as a notebook's JSON."""
    notebook = json.loads(_edition(key))
    for cell in task_cells(notebook):
        cell["source"] = solved(key)[cell["metadata"]["task"]]
    return notebook


@cache
def solved(key: str) -> dict[str, str]:
    """Task -> its solution as a student would have it, without the master's markers."""
    marker = re.compile(r" *### (BEGIN|END) SOLUTION\n?")
    return {task: marker.sub("", cell).rstrip() for task, cell in targets.tasks(key).items()}


@cache
def _edition(key: str) -> str:
    (master,) = targets.ROOT.glob(f"solutions/*_{key}.py")
    return json.dumps(student_edition(master))


def task_cells(notebook: dict) -> Iterator[dict]:
    return (cell for cell in notebook["cells"] if "task" in cell["metadata"].get("tags", []))


def mutant(wrong) -> str:
    """The code of a wrong answer."""
    key = next(key for key in KEYS if wrong in WRONG[key])
    return solved(key)[wrong.task].replace(wrong.old, wrong.new)


def first_task(key: str) -> str:
    return next(iter(targets.tasks(key)))


def class_of(folder: Path, count: int = 60, seed: int = 0, keys=KEYS, kinds: "list[Kind] | None" = None):
    """Write a class of so many; what is not odd is ordinary work.

    Returns
    -------
    list of Handed
        By name, as they will be graded.
    """
    room = Room(folder, seed, keys)
    for kind in ODD if kinds is None else kinds:
        kind(room)
    while len(room.handed) < count:
        ORDINARY[len(room.handed) % len(ORDINARY)](room)
    return sorted(room.handed)


Kind = Callable[[Room], None]


def correct(room: Room) -> None:
    room.solved("correct", {})


def otherwise(room: Room) -> None:
    """Right, and written differently: the helper cells of those who split their work."""

    def change(notebook: dict) -> None:
        helper = "LIMIT = 1e-6\n\ndef clipped(x):\n    return x.clamp(-1, 1)\n\nclass Box:\n    size = 28"
        notebook["cells"].insert(3, code(helper))

    room.solved("correct, with a helper", {}, change=change)


def partly(room: Room, most: int = 3) -> None:
    """One to three misconceptions; some are common, so that several students share them."""
    key = room.keys[len(room.handed) % len(room.keys)]
    common, lost = WRONG[key][:: len(WRONG[key]) // 5], {}
    for _ in range(room.random.randint(1, most)):
        wrong = room.random.choice(common if room.random.random() < 0.6 else WRONG[key])
        lost[wrong.task] = mutant(wrong)
    room.solved("partly", lost, key)


def unfinished(room: Room) -> None:
    """The first tasks are right, one is wrong, the last are not written."""
    key = room.keys[len(room.handed) % len(room.keys)]
    tasks = list(targets.tasks(key))
    done = room.random.randint(2, len(tasks) - 1)
    wrong = room.random.choice([wrong for wrong in WRONG[key] if wrong.task in tasks[:done]])
    room.solved("unfinished", dict.fromkeys(tasks[done:], STUB) | {wrong.task: mutant(wrong)}, key)


def untouched(room: Room) -> None:
    key = room.keys[len(room.handed) % len(room.keys)]
    room.solved("stub", dict.fromkeys(targets.tasks(key), STUB), key)


ORDINARY: list[Kind] = [partly, correct, partly, unfinished, partly, otherwise, unfinished, untouched]


def code(source: str, **metadata: object) -> dict:
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}


def _answer(kind: str, source: str | Callable[[str], str]) -> Kind:
    """The first task is answered with this; all else is right."""

    def write(room: Room) -> None:
        key = room.keys[len(room.handed) % len(room.keys)]
        name = first_task(key)
        text = source if isinstance(source, str) else source(solved(key)[name])
        room.solved(kind, {name: text}, key)

    return write


def _body(statement: str) -> Callable[[str], str]:
    """The functions as they are, but each begins with this statement."""

    def change(solved: str) -> str:
        lines = []
        for line in solved.splitlines():
            lines.append(line)
            if line.startswith("    ") and line.rstrip().endswith('"""') and line.strip() != '"""':
                lines.append(f"    {statement}")
        return "\n".join(lines)

    return change


raising = _answer("raises at the top", lambda solved: "print(undefined_at_the_top)\n" + solved)
unnamed = _answer("NameError", _body("shape = not_defined_anywhere"))
unparsed = _answer("syntax error", lambda solved: solved.replace("):", ")", 1).replace(") ->", ") -", 1))
endless = _answer("endless loop", _body("while True: pass"))
leaving = _answer("os._exit", _body("__import__('os')._exit(0)"))
hungry = _answer("memory", _body("hoard = [bytearray(2**26) for _ in range(4096)]"))
forking = _answer("forks", _body("[__import__('os').fork() for _ in range(9)]"))
killing = _answer("kills its parent", _body("__import__('os').kill(__import__('os').getppid(), 9)"))
flooding = _answer("floods", _body("[print('A' * 2**20) for _ in range(200)]"))
stuck = _answer("endless at the top", lambda solved: solved + "\n\nwhile True:\n    pass")


def _changed(kind: str, change: Callable[[dict], object], name: str | None = None) -> Kind:
    """All is right; the notebook's form is changed."""
    return lambda room: room.solved(kind, {}, name=name and name.format(len(room.handed)), change=change)


def _magics(notebook: dict) -> None:
    for cell in task_cells(notebook):
        cell["source"] = "%matplotlib inline\n!pip install --quiet einops\n" + cell["source"]
    notebook["cells"].append(code("%%bash\nrm -rf /"))


def _duplicates(notebook: dict) -> None:
    cell = next(task_cells(notebook))
    draft = cell | {"source": cell["source"].split("    return")[0] + "    return None"}
    notebook["cells"].insert(notebook["cells"].index(cell), draft)


def _old(notebook: dict) -> None:
    cells = [{"input" if k == "source" else k: v for k, v in cell.items()} for cell in notebook.pop("cells")]
    notebook |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells, "metadata": {}}]}


def _bare(notebook: dict) -> None:
    notebook["metadata"] = {}
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)


magical = _changed("magics", _magics)
doubled = _changed("duplicated cells", _duplicates)
old = _changed("old format", _old)
bare = _changed("no metadata", _bare)
ODD_NAMES = [
    "my homework FINAL (2).ipynb",
    "日本語 répondu {}.ipynb",
    'it\'s "quoted" & <b>bold</b> {}.ipynb',
    "=cmd|' /C calc'!A0.ipynb",
    "two\nlines {}.ipynb",
    "<img src=x onerror=alert(1)>{}.ipynb",
    "n" * 240 + ".ipynb",
    "-rf.ipynb",
    "as.IPYNB",
]
named = [_changed("odd name", lambda notebook: None, name) for name in ODD_NAMES]


def _file(kind: str, name: str, content: str | bytes) -> Kind:
    return lambda room: room.write(kind, name, content)


def cut(room: Room) -> None:
    room.write("cut", "jan_half_a_file.ipynb", json.dumps(solution(room.keys[0]))[:9000])


def other(room: Room) -> None:
    cells = [code("print('shopping list')")]
    room.write("of no exercise", "lea/other.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))


def linked(room: Room) -> None:
    (room.folder / "mallory").mkdir(parents=True, exist_ok=True)
    (room.folder / "mallory" / "03_diffusion.ipynb").symlink_to("/etc/passwd")
    room.handed.append(Handed("mallory/03_diffusion.ipynb", "link", "", None))


def nothing(room: Room) -> None:
    (room.folder / "empty hands").mkdir(parents=True, exist_ok=True)
    room.handed.append(Handed("empty hands", "empty folder", "", None))


UNREADABLE: list[Kind] = [
    _file("empty file", "zoe/03_diffusion.ipynb", b""),
    _file("empty notebook", "yuri/03_diffusion.ipynb", '{"cells": [], "metadata": {}, "nbformat": 4}'),
    _file("binary", "xena/03_diffusion.ipynb", bytes(range(256)) * 40),
    _file("PDF", "walter/03_diffusion.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
    cut,
    other,
    linked,
    nothing,
]  # fmt: skip
CRASHING = [raising, unnamed, unparsed]
FORMS = [magical, doubled, old, bare]
HOSTILE = [endless, leaving, hungry, forking, killing, flooding, stuck]
ODD: list[Kind] = [*UNREADABLE, *CRASHING, *FORMS, *named, *HOSTILE]


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", choices=KEYS, action="append", help="again for several; default: all")
    options = parser.parse_args()
    for handed in class_of(options.folder, options.count, options.seed, options.key or KEYS):
        told = "" if handed.lost is None else f"{handed.key}: all right but {', '.join(handed.lost) or 'nothing'}"
        print(f"{handed.kind:24} {os.fsencode(handed.name)!r:90} {told}")
