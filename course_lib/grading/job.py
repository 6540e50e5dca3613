"""A process that grades one submission after the other, and the grader's end of it.

It runs the tests, so it holds the hidden tests and the seed; the student's code runs in the sandbox that it
starts. Its own memory is bounded, so that an answer which makes a test allocate too much fails that test.
"""

import multiprocessing
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from course_lib.grading.record import Grade, from_json, to_json
from course_lib.grading.sandbox import kernel

MEMORY = 8 << 30  # bytes of data
SANDBOXED = ("torch", "course_lib.grading.remote.warm")  # imported before a submission is there


class Conditions(NamedTuple):
    """How to grade.

    Attributes
    ----------
    root, tests : Path
        Where `solutions/` lies, and the folder with `checks/` and `hidden/`.
    tier : str
    seed : str
    limit : float
        Seconds a test.
    """

    root: Path
    tests: Path
    tier: str
    seed: str
    limit: float


class Job:
    """One such process.

    Parameters
    ----------
    conditions : Conditions
    """

    def __init__(self, conditions: Conditions) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, conditions))
        with _deaf():
            self.process.start()
        theirs.close()

    def begin(self, name: str, path: Path, key: str) -> None:
        """Hand over a submission; `grade` gives the result when `pipe` has something to read."""
        self.pipe.send((name, path, key))

    def grade(self) -> Grade:
        """What became of it.

        Raises
        ------
        EOFError
            If the process has died.
        ValueError
            If the grader itself does not work, which is no submission's fault.
        """
        kind, text = self.pipe.recv()
        if kind == "broken":
            raise ValueError(text)
        return from_json(text)

    def close(self) -> None:
        """Let it finish, or end it if it does not."""
        self.pipe.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started here never hears Ctrl-C, not even before its first line: who started it decides what happens."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(pipe: Connection, conditions: Conditions) -> None:
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody waits for the grade any more
    os.environ["GRADE_SEED"] = conditions.seed
    warnings.simplefilter("ignore")
    import torch

    from course_lib.grading.exercise import all_exercises
    from course_lib.grading.grade import grade
    from course_lib.grading.sandbox import limits
    from course_lib.grading.sandbox.host import Nursery, SandboxError
    from course_lib.grading.sandbox.tiers import Tier

    torch.set_num_threads(1)
    limits.protect()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        exercises = all_exercises(conditions.root, conditions.tests)
        warming = Thread(target=import_module, args=(SANDBOXED[-1],))  # or a test would wait for it
        warming.start()
        with Nursery(Tier(conditions.tier), preload=SANDBOXED) as nursery:
            warming.join()
            while True:
                name, path, key = pipe.recv()
                found = grade(path, exercises[key], nursery, name=name, limit=conditions.limit)
                pipe.send(("grade", to_json(found)))
    except (EOFError, ConnectionError):  # whoever asked has gone
        pass
    except (SandboxError, ValueError) as error:
        pipe.send(("broken", str(error)))
