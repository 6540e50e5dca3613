"""The conversation with one submission: its cells run once, each test talks to a fork of what they left.

Whatever the student's code does, a test ends: it passes, it fails, or its time is over. When the process is
gone or does not answer, it is started anew and the cells run again, a few times at most; a cell that never
ends, or that ends the process, is left out then.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from course_lib.grading.expect import Mistake
from course_lib.grading.points import task_of
from course_lib.grading.remote.failures import rebuilt
from course_lib.grading.remote.frames import ClosedError, Frame, Link, LinkError, MalformedError, OverrunError
from course_lib.grading.remote.messages import reading
from course_lib.grading.remote.peer import Peer
from course_lib.grading.remote.proxies import FarNamespace
from course_lib.grading.sandbox.host import Nursery
from course_lib.grading.student import Student
from course_lib.grading.submission import Cell

TEST, CELLS, SUBMISSION = 10.0, 30.0, 300.0  # seconds that a test, all cells, and all of it may take
MOST_STARTS = 20
MOST_OVERRUNS = 2  # of one task's tests; the others are not asked any more
TO_LEAVE = 1.0  # seconds that a fork may take to go when its test is over


class Session:
    """A submission in a sandbox, as students for tests.

    Parameters
    ----------
    nursery : Nursery
    setup, cells : sequence of Cell
        The instructor's setup, then the student's cells.
    limit : float
        Seconds that one test may take.

    Attributes
    ----------
    notes : list of str
        What the report should say of how it went.
    failures : dict of str to Exception
        Cell -> the error that it raised.
    """

    def __init__(self, nursery: Nursery, setup: Sequence[Cell], cells: Sequence[Cell], limit: float = TEST) -> None:
        self.nursery, self.limit = nursery, limit
        self.cells = [*setup, *cells]
        self.notes: list[str] = []
        self.failures: dict[str, Exception] = {}
        self._own = {cell.name for cell in cells}
        self._starts = 0
        self._overruns: dict[str, int] = {}
        self._end: socket.socket | None = None
        self._until = time.monotonic() + SUBMISSION

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextmanager
    def student(self, item: pytest.Item) -> Iterator[Student]:
        """The student of one test: a fork of the process, over a socket of its own."""
        task = task_of(item)
        if self._overruns.get(task, 0) >= MOST_OVERRUNS:
            raise Mistake(f"not asked any more: {MOST_OVERRUNS} tests of this task have run out of time")
        if time.monotonic() > self._until:
            raise Mistake(f"not asked any more: all tests together have taken more than {SUBMISSION:.0f} s")
        link = Link(self._fork(), time.monotonic() + self.limit)
        try:
            yield Student(FarNamespace(Peer(link)))
        finally:
            self._overruns[task] = self._overruns.get(task, 0) + (time.monotonic() >= link.deadline)
            link.close()
            self._wait()

    def told(self, error: LinkError) -> str:
        """What a student is told of a conversation that broke off."""
        if isinstance(error, OverrunError):
            return f"your code was still running after {self.limit:g} s: is there a loop that does not end?"
        if isinstance(error, ClosedError):
            return "your code ended the whole process: did it exit, crash, or use too much memory?"
        return f"your code's process sent what no honest program sends ({error})"

    def _fork(self) -> socket.socket:
        if self._end is None:
            self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._end, [b"t"], [theirs.fileno()])
            except OSError:  # it has died since: the test will find the socket closed
                self._stop()
        return ours

    def _wait(self) -> None:
        """Until the fork is gone, helped along if need be; the process itself is given up where it does not say so."""
        for help in (lambda: None, self.nursery.halt):
            help()
            if self._end is not None and self._left():
                return
        self._stop()

    def _left(self) -> bool:
        self._end.settimeout(TO_LEAVE)
        with suppress(OSError):
            return self._end.recv(1) != b""
        return False

    def _start(self) -> None:
        """Run the cells; leave out one that does not let the others run, and try again."""
        while self._starts < MOST_STARTS:
            self._starts += 1
            self._end = self.nursery.start()
            running = None
            try:
                for frame in self._cells_running(Link(self._end, time.monotonic() + CELLS)):
                    running = str(frame.body["cell"])
                self.nursery.halt()  # what the cells have left running could take the tests' sockets
                return
            except (LinkError, KeyError) as error:
                self._stop()
                self._leave_out(running, error)
        raise Mistake("your code has ended or blocked its process too often; the remaining tests were not run")

    def _cells_running(self, link: Link) -> Iterator[Frame]:
        link.send(Frame("cells", {"cells": self.cells}))
        while (frame := link.receive()).kind == "running":
            yield frame
        with reading():
            if frame.kind != "ran":
                raise MalformedError(f"a frame of the kind {frame.kind!r}")
            self.failures |= {str(name): rebuilt(body) for name, body in frame.body["failures"]}

    def _leave_out(self, name: str | None, error: Exception) -> None:
        if name not in self._own:
            return
        why = f"did not end within {CELLS:.0f} s" if isinstance(error, OverrunError) else "ended the process"
        self.notes.append(f"{name} was left out: it {why}")
        self.failures[name] = Mistake(f"this cell {why} when it was run")
        self.cells = [cell for cell in self.cells if cell.name != name]

    def _stop(self) -> None:
        if self._end is None:
            return
        self._end.close()
        self._end = None
        broken = self.nursery.finish()
        if broken and (note := f"stopped, for it used more {broken} than allowed") not in self.notes:
            self.notes.append(note)
