"""Three ways to confine a student's code, and which of them this machine offers.

| a student's code …                        | bwrap             | landlock          | plain             |
|-------------------------------------------|-------------------|-------------------|-------------------|
| reads tests, solutions, home, /etc/shadow | no: not there     | no                | **yes** (1)       |
| writes outside its own folder             | no                | no                | no: writes nothing|
| opens a socket                            | no                | no                | no                |
| sees another process's memory             | no                | no                | no (2)            |
| … its environment, its command line       | no: not there     | no                | **yes** (2)       |
| stops or kills another process            | no                | no                | no                |
| leaves a process behind                   | no                | no                | no                |
| leaves a file for the next submission     | no                | no                | no                |
| takes more memory, files, processes       | no                | no (3)            | no                |
| gains privileges                          | no                | no                | no                |
| needs                                     | bubblewrap        | Linux 5.13        | macOS or Linux    |

1. What its user may read: as an ordinary user all that is the instructor's; as root, an unprivileged user's
   share, unless the interpreter itself lies where only root may go: then everything.
2. `limits.protect` closes the grader's own memory and environment; other programs of the same user are open to
   being read, never to being traced.
3. Disk space is measured ten times a second, not rationed by the kernel: a burst may overshoot for a moment.

On macOS the plain tier has neither seccomp nor /proc: there it means a time limit and good faith, and is fit for
one's own students on a laptop that holds nothing else. No tier protects from a flaw in the kernel, hides how
long something takes, or weighs the whole machine's load; nor does any of them give access to a GPU.
"""

import errno
import functools
import platform
import sys
from enum import StrEnum

from course_lib.grading.sandbox import bubblewrap, kernel, landlock, seccomp, visible

_TRIAL_DISK = 2**20


class Tier(StrEnum):
    """How code is confined, strongest first."""

    BWRAP = "bwrap"
    LANDLOCK = "landlock"
    PLAIN = "plain"

    @property
    def guarantee(self) -> str:
        """What it promises, in a sentence for a report."""
        return _GUARANTEES[self]


_GUARANTEES = {
    Tier.BWRAP: (
        "Submissions ran in a system of their own (bubblewrap): no network, no files but the interpreter's, "
        "nothing of this machine or of each other in reach."
    ),
    Tier.LANDLOCK: (
        "Submissions were confined by the kernel (Landlock, seccomp): no network, no files but the interpreter's "
        "to read, a folder of their own to write."
    ),
    Tier.PLAIN: (
        "Submissions ran as processes with limits: they could write nothing and forge nothing, but read what this "
        "user may read."
    ),
}


def available() -> list[Tier]:
    """What this machine offers, strongest first, found by trying."""
    return [tier for tier in Tier if not why_not(tier)]


def choose(require: str | None = None) -> Tier:
    """The strongest tier that the machine offers.

    Parameters
    ----------
    require : str, optional
        "bwrap", "landlock" or "plain": what it must be at least.

    Raises
    ------
    ValueError
        If there is no such tier, or the machine offers only weaker ones.
    """
    tiers, offered = list(Tier), available()
    if require is not None and require not in tiers:
        raise ValueError(f"no tier is called {require!r}; there are: {', '.join(tiers)}")
    wished = Tier(require or Tier.PLAIN)
    if not offered or tiers.index(offered[0]) > tiers.index(wished):
        raise ValueError(f"this machine cannot offer the tier {str(wished)!r}: {why_not(wished)}")
    return offered[0]


@functools.cache
def why_not(tier: Tier) -> str:
    """Why this machine does not offer a tier; empty if it does."""
    if sys.platform not in ("linux", "darwin"):
        return (
            f"grading needs Linux, or macOS for the weakest tier, and this is {platform.system()}: "
            "use a Linux machine, a container or WSL"
        )
    if tier == Tier.PLAIN:
        return ""
    if sys.platform != "linux":
        return "it needs Linux"
    return _no_bwrap() if tier == Tier.BWRAP else _no_landlock()


def _no_bwrap() -> str:
    return bubblewrap.trial(visible.paths(), _TRIAL_DISK)


def _no_landlock() -> str:
    if landlock.abi() < 1:
        return f"the kernel has no Landlock (Linux 5.13 or newer, this is {platform.release()}), or it is switched off"
    if not seccomp.known():
        return f"its table of system calls has no column for {platform.machine()}"
    return "" if _filters() else "the kernel does not take seccomp filters"


def _filters() -> bool:
    """Whether the kernel takes filters at all: given none, one that does complains of the address."""
    try:
        kernel.prctl(seccomp.PR_SET_SECCOMP, seccomp.MODE_FILTER, 0)
    except OSError as error:
        return error.errno == errno.EFAULT
    return False
