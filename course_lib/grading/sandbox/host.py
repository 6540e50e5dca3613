"""The grader's side of a sandbox.

with Nursery(tiers.choose()) as nursery:
    connection = nursery.start()    # a process for one submission, reached over this socket
    ...
    nursery.halt()                  # a test takes too long: kills all that the process has forked
    broken = nursery.finish()       # kills the rest and cleans up; "memory", "disk", "processes" or None
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from course_lib.grading.sandbox import bubblewrap, descendants, limits, nursery, room, visible
from course_lib.grading.sandbox.confine import Plan
from course_lib.grading.sandbox.limits import Limits
from course_lib.grading.sandbox.tiers import Tier

WORKER = "course_lib.grading.remote.worker:main"
PRELOAD = ("torch",)
_BOOT = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); "
    "from course_lib.grading.sandbox.nursery import main; main(sys.argv[2:])"
)
_TO_PREPARE, _TO_ANSWER = 180.0, 30.0  # seconds; importing torch from a cold disk takes a while
_MOST_STARTS = 10  # of the nursery itself, which nothing in a sandbox should be able to end
USUAL = Limits()
_users = itertools.count()


class SandboxError(RuntimeError):
    """The sandbox itself does not work; no submission is to blame."""


class Nursery:
    """Processes for submissions, one at a time.

    Parameters
    ----------
    tier : Tier
    limits : Limits
    program : str
        "package.module:function" to run in each, given its socket.
    preload : tuple of str
        Modules to import once, beforehand.
    readable : tuple of str
        More folders that may be read and from which modules may be imported.
    """

    def __init__(
        self,
        tier: Tier,
        limits: Limits = USUAL,
        program: str = WORKER,
        *,
        preload: tuple[str, ...] = PRELOAD,
        readable: tuple[str, ...] = (),
    ) -> None:
        self.tier, self.limits, self.program, self.preload, self.readable = tier, limits, program, preload, readable
        self._starts = 0
        self._process: subprocess.Popen | None = None
        self._socket: socket.socket | None = None
        self._room: Path | None = None

    def __enter__(self) -> "Nursery":
        self._prepare()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> socket.socket:
        """A process for one submission; what is left of the one before is ended first.

        Raises
        ------
        SandboxError
            If the sandbox cannot be set up.
        """
        if self._process is None or self._process.poll() is not None:
            self._prepare()
        ours, theirs = socket.socketpair()
        with theirs:
            answer = self._ask(nursery.START, theirs.fileno())
        if answer:
            ours.close()
            raise SandboxError(answer)
        return ours

    def halt(self) -> None:
        """Kill all that the submission's process has forked, not the process itself."""
        with contextlib.suppress(SandboxError):  # `finish` and `start` will notice
            self._ask(nursery.HALT)

    def finish(self) -> str | None:
        """End a submission: kill its processes, remove its files.

        Returns
        -------
        str or None
            Which limit it broke, "memory", "disk" or "processes", or a sentence on what happened to the
            sandbox itself, which the next `start` replaces.
        """
        try:
            broken = self._ask(nursery.FINISH)
        except SandboxError as error:
            return str(error)
        if broken == nursery.STUCK:
            self._end()
        return broken or None

    def close(self) -> None:
        """End the nursery and all below it."""
        if self._socket is not None:
            self._socket.close()  # it hears this, kills all and goes
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(_TO_ANSWER)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            descendants.kill_adopted()  # where the nursery was killed, what it forked is ours now
        if self._room is not None:
            room.empty(self._room)
            shutil.rmtree(self._room, ignore_errors=True)
            self._room = None

    def _prepare(self) -> None:
        self.close()
        self._starts += 1
        if self._starts > _MOST_STARTS:
            raise SandboxError(f"the sandbox had to be started {_MOST_STARTS} times; something keeps killing it")
        plan, words = self._plan()
        self._socket, theirs = socket.socketpair()
        search = [*visible.search_path(), *self.readable]
        command = [*words, sys.executable, "-I", "-c", _BOOT, json.dumps(search), str(theirs.fileno())]
        with theirs, tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(
                [*command, json.dumps(asdict(plan)), json.dumps(self.preload)],
                env=limits.environment(plan.folder), cwd="/", pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
            )  # fmt: skip
            theirs.close()
            try:
                self._read(_TO_PREPARE)
            except SandboxError as error:
                complaints.seek(0)
                raise SandboxError(f"{error}\n{complaints.read().decode(errors='replace')}".strip()) from None

    def _plan(self) -> tuple[Plan, list[str]]:
        """How to confine, and the words to put before the command."""
        readable = visible.paths(self.readable)
        if self.tier == Tier.BWRAP:
            folder, words = bubblewrap.ROOM, bubblewrap.command(readable, self.limits.disk)
        else:
            self._room = Path(tempfile.mkdtemp(prefix="course-"))
            self._room.chmod(0o711)
            folder, words = str(self._room), []
        root = os.geteuid() == 0 and sys.platform == "linux"
        uid = limits.FIRST_UID + (os.getpid() + next(_users)) % limits.UIDS if root else None
        closed = root and self.tier != Tier.BWRAP and not all(map(limits.may_enter, readable))
        return Plan(self.tier, self.limits, self.program, tuple(readable), folder, uid, closed), words

    def _ask(self, letter: bytes, *descriptors: int) -> str:
        try:
            socket.send_fds(self._socket, [letter], descriptors)
        except OSError as error:
            raise SandboxError(f"the sandbox is gone: {error}") from None
        return self._read(_TO_ANSWER)

    def _read(self, seconds: float) -> str:
        """One line from the nursery; if none comes, the nursery is ended."""
        self._socket.settimeout(seconds)
        line = b""
        try:
            while not line.endswith(b"\n"):
                part = self._socket.recv(4096)
                if not part:
                    raise SandboxError("the sandbox ended unexpectedly")
                line += part
        except OSError as error:
            raise SandboxError(f"the sandbox does not answer: {error}") from None
        except SandboxError:
            raise
        finally:
            if not line.endswith(b"\n"):
                self._end()
        return line[:-1].decode()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
