"""All processes below one, whatever they did to hide: found in /proc, measured, and killed.

The one above them must be their "subreaper" (PR_SET_CHILD_SUBREAPER): whoever loses its parent becomes
its child, so that a daemon cannot leave the tree.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PAUSE = 0.002  # seconds between two rounds of killing


class Process(NamedTuple):
    """A line of /proc."""

    pid: int
    parent: int
    state: str
    threads: int


def processes() -> Iterator[Process]:
    """All processes that can be seen, lowest number first."""
    with contextlib.suppress(FileNotFoundError):  # no /proc: not Linux
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (process := _read(int(entry))):
                yield process


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
    except OSError:
        return None
    return Process(pid, int(fields[1]), fields[0].decode(), int(fields[17]))


def of(root: int) -> list[Process]:
    """The living descendants of a process; those that have ended and wait for their parent are left out."""
    below: dict[int, list[Process]] = {}
    for process in processes():
        below.setdefault(process.parent, []).append(process)
    found, parents = [], [root]
    while parents:
        children = below.pop(parents.pop(), [])
        found += children
        parents += [child.pid for child in children]
    return [process for process in found if process.state not in "ZX"]


def kill_all(root: int, spare: int | None = None, seconds: float = 10.0) -> bool:
    """Kill all descendants of a process; True if none is left.

    Parameters
    ----------
    root : int
        The calling process.
    spare : int, optional
        One that may live.
    seconds : float
        When to give up.
    """
    end = time.monotonic() + seconds
    while victims := [process.pid for process in of(root) if process.pid != spare]:
        if time.monotonic() > end:
            return False
        for number in (signal.SIGSTOP, signal.SIGKILL):  # all stand still before the first dies: none forks meanwhile
            for pid in victims:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        reap()
        time.sleep(_PAUSE)
    reap()
    return True


def kill_adopted(seconds: float = 10.0) -> None:
    """Kill what a dead nursery has left to this process, of which every one runs under a filter of system calls.

    Nobody gets rid of that mark. Kernels before 5.9 do not show it: there nothing is found.
    """
    own, end = _filters(os.getpid()), time.monotonic() + seconds
    while time.monotonic() < end:
        mine = (process for process in processes() if process.parent == os.getpid())
        adopted = [process.pid for process in mine if _filters(process.pid) > own]
        for pid in adopted:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if not adopted:
            return


def _filters(pid: int) -> int:
    """How many filters of system calls a process runs under."""
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/status", "rb") as file:
        return int(next(line for line in file if line.startswith(b"Seccomp_filters:")).split()[1])
    return 0


def reap() -> list[int]:
    """Take leave of all own children that have ended; their numbers."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            ended.append(pid)
    return ended


def address_space() -> int:
    """Bytes that this process has mapped."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * _PAGE


def own_memory(pid: int) -> int:
    """Bytes in memory that belong to a process and not to a file; what it shares with its parent counts."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = [line.split() for line in file if line.startswith((b"RssAnon", b"RssShmem"))]
    except OSError:
        return 0
    return sum(int(line[1]) * 1024 for line in lines)


def tasks_of_user(uid: int) -> int:
    """How many processes and threads a user has."""
    count = 0
    for process in processes():
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/status", "rb") as file:
            owner = next(line for line in file if line.startswith(b"Uid:"))
            count += process.threads if int(owner.split()[1]) == uid else 0
    return count


def deleted_files(pid: int, device: int) -> dict[int, int]:
    """Files without a name that a process holds open on a device: their size on disk by inode."""
    found = {}
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                file = os.stat(f"/proc/{pid}/fd/{descriptor}")
                if file.st_nlink == 0 and file.st_dev == device:
                    found[file.st_ino] = file.st_blocks * 512
    return found
