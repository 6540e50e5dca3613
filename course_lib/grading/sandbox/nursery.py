"""The process that is ready: it has imported all that is slow, never runs a student's code, and forks whatever does.

It serves the host over a socket, a letter at a time, each answered with a line:

    S    and a socket: fork a child, which confines itself and runs the program with the socket
    H    kill every process of the submission but the first
    F    kill all of them, empty their folder, and say which limit was broken, if any

Meanwhile it watches what they use. It never reads a byte that a submission wrote, nor the submission itself,
so its next child cannot know of the last. When the host is gone, so is all else.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from course_lib.grading.sandbox import descendants, limits, room
from course_lib.grading.sandbox.confine import Plan, confine
from course_lib.grading.sandbox.tiers import Tier

WATCH = 0.1  # seconds between two looks at what a submission uses
START, HALT, FINISH = b"S", b"H", b"F"
READY, STUCK = "ready", "some processes do not die"
_MOST_SOCKETS = 1


def main(words: list[str]) -> None:
    """Prepare, then serve until the host is gone.

    Parameters
    ----------
    words : list of str
        The number of the host's socket, the plan as JSON, and the modules to import beforehand as JSON.
    """
    plan = json.loads(words[1])
    plan = Plan(**plan | {"tier": Tier(plan["tier"]), "limits": limits.Limits(**plan["limits"])})
    if sys.platform == "linux":
        limits.protect()
    os.makedirs(plan.folder)  # what is imported may ask for a temporary folder
    for module in json.loads(words[2]):
        importlib.import_module(module)
    module, _, function = plan.program.partition(":")
    program = getattr(importlib.import_module(module), function)
    room.empty(Path(plan.room))
    tempfile.tempdir = None  # and may have remembered one
    gc.collect()
    gc.freeze()  # the children share these pages instead of copying them
    with socket.socket(fileno=int(words[0])) as host:
        Nursery(plan, program, host).serve()


class Nursery:
    """One submission at a time: its first process, and the limit that it broke."""

    def __init__(self, plan: Plan, program: Callable[[socket.socket], None], host: socket.socket) -> None:
        self.plan, self.program, self.host = plan, program, host
        self.child: int | None = None
        self.broken = ""
        self.own_memory = descendants.own_memory(os.getpid())

    def serve(self) -> None:
        """Answer the host's letters until it hangs up."""
        self._answer(READY)
        while True:
            watching = WATCH if self.child else None
            if not select.select([self.host], [], [], watching)[0]:
                self._watch()
                continue
            letter, sockets, _, _ = socket.recv_fds(self.host, 1, _MOST_SOCKETS)
            if not letter:
                self._finish()
                return
            if letter == START:
                self._answer(self._start(sockets[0]))
            elif letter == HALT:
                self._answer("" if self._kill(self.child) else STUCK)
            elif letter == FINISH:
                self._answer(self._finish())

    def _answer(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read will tell
            self.host.sendall(line.replace("\n", " ").encode() + b"\n")

    def _start(self, connection: int) -> str:
        """Fork; an empty answer as soon as the child has confined itself."""
        self._finish()
        self.broken = ""
        os.makedirs(self.plan.folder)
        os.chmod(self.plan.folder, 0o777 if self.plan.uid else 0o700)
        reading, writing = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(reading)
            self._run(connection, writing)
        os.close(writing)
        os.close(connection)
        with open(reading, "rb") as report:
            return report.read().decode(errors="replace")

    def _run(self, connection: int, report: int) -> None:
        """The child's life. Its one way out is the last line."""
        try:
            self.program(self._confine(connection, report))
        except BaseException:  # whatever it is, the nursery's own code above must never run here
            with contextlib.suppress(BaseException):
                traceback.print_exc()
        finally:
            os._exit(0)

    def _confine(self, connection: int, report: int) -> socket.socket:
        signal.set_wakeup_fd(-1)
        os.dup2(connection, report + 1)  # two numbers in a row, so that one call closes all others
        try:
            confine(self.plan, range(report, report + 2))
        except BaseException as error:
            os.write(report, f"the sandbox could not be set up: {error!r}".encode())
            raise
        os.close(report)
        return socket.socket(fileno=report + 1)

    def _watch(self) -> None:
        """Kill a submission that uses more than it may."""
        descendants.reap()
        if not self.broken and (broken := self._excess()):
            self.broken = broken
            self._kill()

    def _excess(self) -> str:
        most, family = self.plan.limits, descendants.of(os.getpid())
        if sum(process.threads for process in family) > most.processes:
            return "processes"
        # A fork shares the nursery's pages until it writes to them: those are not its own.
        memory = sum(max(0, descendants.own_memory(process.pid) - self.own_memory) for process in family)
        if memory > most.total_memory:
            return "memory"
        return "disk" if self._disk_is_full(family) else ""

    def _disk_is_full(self, family: list[descendants.Process]) -> bool:
        if self.plan.tier == Tier.PLAIN:
            return False  # it cannot write
        if self.plan.tier == Tier.BWRAP:  # a file system of its own knows at once
            system = os.statvfs(self.plan.room)
            size, count = (system.f_blocks - system.f_bfree) * system.f_frsize, system.f_files - system.f_ffree
            return size >= self.plan.limits.disk or count > self.plan.limits.files
        try:
            size, count = room.used(Path(self.plan.folder), self.plan.limits.files)
        except room.TooDeepError:
            return True
        device = os.stat(self.plan.room).st_dev
        deleted = {}
        for process in family:
            deleted |= descendants.deleted_files(process.pid, device)
        return size + sum(deleted.values()) > self.plan.limits.disk or count > self.plan.limits.files

    def _kill(self, spare: int | None = None) -> bool:
        """Kill all below, but one; True if that worked."""
        if spare is None and self.child:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child, signal.SIGKILL)  # all that there is where there is no /proc
            self._kill_user()
        return descendants.kill_all(os.getpid(), spare)

    def _kill_user(self) -> None:
        """As root: a child that turns into the student's user kills all that this user has, at one stroke."""
        if self.plan.uid is None:
            return
        killer = os.fork()
        if killer == 0:
            try:
                limits.become(self.plan.uid, reads_everything=False)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(killer, 0)

    def _finish(self) -> str:
        if self.child is None:
            return ""
        if not self.broken and sys.platform == "linux":
            self.broken = self._excess()
        dead = self._kill()
        room.empty(Path(self.plan.room))
        self.child = None
        return self.broken if dead else STUCK
