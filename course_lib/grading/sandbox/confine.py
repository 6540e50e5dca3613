"""What a submission's process does to itself before the first line of a student's code."""

import contextlib
import os
import platform
import signal
import sys
from dataclasses import dataclass

from course_lib.grading.sandbox import descendants, kernel, landlock, limits, seccomp, visible
from course_lib.grading.sandbox.limits import Limits
from course_lib.grading.sandbox.tiers import Tier

_COUNTS_BY_NAMESPACE = (5, 14)  # since this Linux, a user namespace's processes are counted on their own
_UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Plan:
    """How a nursery confines what it forks; it goes to the nursery as JSON and holds no secret.

    Attributes
    ----------
    tier : Tier
    limits : Limits
    program : str
        "package.module:function", called in the confined process with its socket.
    readable : tuple of str
        What may be read.
    room : str
        A folder of the nursery's own; the submission's folder is made in it.
    uid : int or None
        The user to become; None without root.
    reads_everything : bool
        Whether that user needs a capability to read the interpreter at all.
    """

    tier: Tier
    limits: Limits
    program: str
    readable: tuple[str, ...]
    room: str
    uid: int | None
    reads_everything: bool

    @property
    def folder(self) -> str:
        """Where the submission may write."""
        return os.path.join(self.room, "work")


def confine(plan: Plan, keep: range) -> None:
    """Confine this process and all its children for good.

    Parameters
    ----------
    plan : Plan
    keep : range
        The file descriptors that stay open, besides the standard ones, which lead nowhere from here on.

    Raises
    ------
    OSError
        If the kernel refuses a step: then nothing of a student may run here.
    """
    os.setsid()
    _close_all_but(keep)
    os.chdir(plan.folder)
    if sys.platform != "linux":
        limits.restrict(plan.limits, _UNLIMITED)
        return
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or an ordinary user could not write the next line
    _die_first()
    # Landlock's rules name folders, which only root can reach in some cases: before the user changes.
    rules = landlock.ruleset(_readable(plan), _writable(plan)) if _has_landlock(plan.tier) else None
    limits.restrict(plan.limits, _others(plan))
    if plan.uid is not None:
        limits.become(plan.uid, reads_everything=plan.reads_everything)
    # In the Landlock tier the nursery looks for deleted files that are still open, as the same user if not as root.
    kernel.prctl(kernel.PR_SET_DUMPABLE, int(plan.tier == Tier.LANDLOCK))
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if rules is not None:
        landlock.restrict_self(rules)
    if seccomp.known() or plan.tier == Tier.LANDLOCK:
        seccomp.apply(refused(plan.tier))


def refused(tier: Tier) -> list[seccomp.Rule]:
    """The system calls that a tier takes away: the more, the less is guarded otherwise."""
    return seccomp.rules(attributes=tier != Tier.BWRAP, files=tier == Tier.PLAIN)


def _has_landlock(tier: Tier) -> bool:
    return tier != Tier.PLAIN and landlock.abi() > 0


def _readable(plan: Plan) -> list[str]:
    return [*plan.readable, *visible.HARMLESS_PROC, *visible.DEVICES]


def _writable(plan: Plan) -> list[str]:
    return [plan.folder, "/dev/null"]


def _others(plan: Plan) -> int:
    """How many processes of the same user the kernel would count against the limit."""
    if plan.uid is not None:
        return 0
    if plan.tier != Tier.BWRAP:
        return descendants.tasks_of_user(os.getuid())
    version = tuple(int(part) for part in platform.release().split(".")[:2])
    return 0 if version >= _COUNTS_BY_NAMESPACE else _UNLIMITED  # they cannot be seen from in here


def _die_first() -> None:
    """Where memory runs out the kernel shall take this process, not the grader."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _close_all_but(keep: range) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    os.closerange(3, keep.start)
    os.closerange(keep.stop, os.sysconf("SC_OPEN_MAX"))
