"""Whose functions the exercises' tests can run on, as namespaces: a master's solution, its stub, a mutant."""

from functools import cache
from pathlib import Path

import jupytext

from course_lib.grading import reference
from course_lib.grading.release import tasks_of

ROOT = Path(__file__).resolve().parents[1]


def master(key: str) -> Path:
    """The master of a module, by its key ("diffusion")."""
    (source,) = ROOT.glob(f"solutions/[0-9][0-9]_{key}.py")
    return source


@cache
def tasks(key: str) -> dict[str, str]:
    """Task -> the code of its cell, solution included."""
    return {task.name: task.code for task in tasks_of(jupytext.read(master(key), fmt="py:percent"))}


def files(key: str, folder: str) -> list[Path]:
    """The test files of a module in tests/checks or tests/hidden."""
    return sorted(ROOT.glob(f"tests/{folder}/test_{key}*.py"))


@cache
def _solution(key: str) -> dict:
    return reference.solution(master(key))


def solution(key: str) -> dict:
    """The reference: setup and tasks of the master."""
    return dict(_solution(key))


def stubs(key: str) -> dict:
    """What a student begins with."""
    return reference.stubs(master(key))


def changed(key: str, cells: dict[str, str]) -> dict:
    """The reference with the cells of some tasks replaced."""
    namespace = solution(key)
    for code in cells.values():
        reference.execute(code, namespace)
    return namespace
