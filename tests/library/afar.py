"""The functions of `library/remote_student.py`, here and in a sandbox, for tests that compare the two."""

import ast
import builtins
import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from course_lib.grading import job
from course_lib.grading.sandbox import tiers
from course_lib.grading.sandbox.host import Nursery
from course_lib.grading.session import Session
from course_lib.grading.student import Student
from course_lib.grading.submission import Cell

CELL = Cell("task everything", Path(__file__).with_name("remote_student.py").read_text(encoding="utf-8"))
TIERS = tiers.available()
CONFINED = pytest.mark.skipif(not TIERS, reason="this machine has no fork")


@contextmanager
def sandbox() -> Iterator[Nursery]:
    """The strongest that this machine offers."""
    with Nursery(TIERS[0], preload=job.SANDBOXED) as nursery:
        yield nursery


@contextmanager
def session() -> Iterator[Session]:
    """A submission of one cell, with all the functions."""
    with sandbox() as nursery, Session(nursery, (), [CELL], limit=60) as session:
        yield session


@contextmanager
def near() -> Iterator[Student]:
    """The student in this process."""
    name = "<task everything>"
    linecache.cache[name] = len(CELL.source), None, CELL.source.splitlines(keepends=True), name
    namespace: dict = {"__name__": "__main__", "__builtins__": builtins}
    exec(compile(CELL.source, name, "exec"), namespace)
    student = Student(namespace)
    yield student
    student.restore()


def line(text: str) -> int:
    """The number of the one line of the cell that holds this text."""
    (number,) = (n for n, one in enumerate(CELL.source.splitlines(), start=1) if text in one)
    return number


def functions() -> list[str]:
    """The names of the student's functions."""
    return [part.name for part in ast.parse(CELL.source).body if isinstance(part, ast.FunctionDef)]


def parts(value: object) -> list[Tensor]:
    """The tensors in tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [one for part in value for one in parts(part)] if isinstance(value, tuple | list) else []


def assert_close(got: object, want: object, atol: float = 1e-6) -> None:
    """All tensors in the two agree within `atol`, in shape and dtype exactly."""
    got, want = parts(got), parts(want)
    assert len(got) == len(want) > 0
    for one, other in zip(got, want):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=0, atol=atol)
