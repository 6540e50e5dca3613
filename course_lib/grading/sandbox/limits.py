"""How much a submission may use, and who it is."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from course_lib.grading.sandbox import descendants, kernel

MIB = 2**20
FIRST_UID, UIDS = 60_000, 5_000  # users that own nothing; distributions hand out none of these
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TZ")  # all that the environment keeps
_FIXED = {
    "LANG": "C.UTF-8",
    "USER": "student",
    "LOGNAME": "student",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True)
class Limits:
    """What a submission may use; sizes are in bytes.

    Attributes
    ----------
    memory : int
        What one process may allocate beyond what the interpreter and torch take.
    total_memory : int
        What all processes of a submission may hold at a time.
    cpu : int
        Seconds of processor time of one process.
    file : int
        The size of one file.
    disk : int
        All files together.
    files : int
        The number of files and folders.
    processes : int
        Processes and threads at a time.
    open_files : int
        Of one process.
    """

    memory: int = 4096 * MIB
    total_memory: int = 6144 * MIB
    cpu: int = 1200
    file: int = 256 * MIB
    disk: int = 512 * MIB
    files: int = 10_000
    processes: int = 64
    open_files: int = 256


def environment(room: str) -> dict[str, str]:
    """What a sandboxed process finds in its environment; nothing of the grader's own but its search paths."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return kept | _FIXED | {"HOME": room, "TMPDIR": room, "MPLCONFIGDIR": room}


def protect() -> None:
    """For the process that holds seeds and references: its memory is closed to its user's other processes.

    Processes that a dead child leaves behind become its own children, so that they can be found.
    """
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def restrict(limits: Limits, others: int) -> None:
    """Set the kernel's limits for this process and its children.

    Parameters
    ----------
    limits : Limits
    others : int
        How many processes and threads of the same user there are already; the kernel counts them too.
    """
    taken = descendants.address_space() if sys.platform == "linux" else 0
    wanted = {
        "RLIMIT_AS": taken + limits.memory,
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NOFILE": limits.open_files,
        # Twice what is allowed: whoever goes beyond is seen, stopped and told why, and cannot flood the machine.
        "RLIMIT_NPROC": others + 2 * limits.processes,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_RTPRIO": 0,
    }
    for name, most in wanted.items():
        _lower(name, most)


def _lower(name: str, most: int) -> None:
    import resource  # not on Windows, where `tiers.choose` must still be able to say so

    if (kind := getattr(resource, name, None)) is None:
        return
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def become(uid: int, *, reads_everything: bool) -> None:
    """Turn root into an ordinary user, for good.

    Parameters
    ----------
    uid : int
        The user, and the group of the same number.
    reads_everything : bool
        Whether to keep the one capability of reading files that others may not.
    """
    kept = 1 << kernel.CAP_DAC_READ_SEARCH if reads_everything else 0
    kernel.prctl(kernel.PR_SET_KEEPCAPS, int(reads_everything))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.keep_only(kept)


def may_enter(path: str) -> bool:
    """Whether any user may go through all folders down to this path."""
    return all(folder.stat().st_mode & 0o001 for folder in Path(path).resolve().parents)
