"""Whose functions the exercises' tests can run on, as namespaces: a master's solution, its stub, a mutant."""

import linecache
from functools import cache
from pathlib import Path

import jupytext

from course_lib.grading.release import stub, tasks_of

ROOT = Path(__file__).resolve().parents[1]


@cache
def master(key: str):
    """The master notebook of a module, by its key ("diffusion")."""
    (source,) = ROOT.glob(f"solutions/[0-9][0-9]_{key}.py")
    return jupytext.read(source, fmt="py:percent")


def tasks(key: str) -> dict[str, str]:
    """Task -> the code of its cell, solution included."""
    return {task.name: task.code for task in tasks_of(master(key))}


def files(key: str, folder: str) -> list[Path]:
    """The test files of a module in tests/checks or tests/hidden."""
    return sorted(ROOT.glob(f"tests/{folder}/test_{key}*.py"))


@cache
def _solution(key: str) -> dict:
    namespace: dict = {"__name__": f"solution_{key}"}
    for cell in master(key).cells:
        if {"setup", "task"} & set(cell.metadata.get("tags", [])):
            execute(cell.source, namespace)
    return namespace


def solution(key: str) -> dict:
    """The reference: setup and tasks of the master."""
    return dict(_solution(key))


def stubs(key: str) -> dict:
    """What a student begins with."""
    return changed(key, {task: stub(code, task) for task, code in tasks(key).items()})


def changed(key: str, cells: dict[str, str]) -> dict:
    """The reference with the cells of some tasks replaced."""
    namespace = solution(key)
    for code in cells.values():
        execute(code, namespace)
    return namespace


def execute(code: str, namespace: dict) -> None:
    """Run a cell as a notebook does, with its lines known to tracebacks."""
    name = f"<cell {abs(hash(code)):x}>"
    linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name
    exec(compile(code, name, "exec"), namespace)
