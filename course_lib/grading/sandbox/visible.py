"""What a sandbox may read: the system's libraries, the interpreter, its packages and `course_lib`. Nothing else."""

import os
import sys
from pathlib import Path

from course_lib.places import PACKAGE, checkout

_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime",
    "/sys/devices/system/cpu",
)  # fmt: skip
_OF_PREFIX = ("bin", "lib", "lib64", "pyvenv.cfg")  # a prefix may be a home or a checkout, so never all of it
HARMLESS_PROC = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def search_path() -> list[str]:
    """Where a sandboxed interpreter finds modules, besides its own library."""
    folders = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return [str(PACKAGE.parent), *folders]


def paths(more: tuple[str, ...] = ()) -> list[str]:
    """Folders and files that a sandbox may read, as they are called and as they really are.

    Parameters
    ----------
    more : tuple of str
        Further ones.

    Raises
    ------
    ValueError
        If the course's solutions or tests lie inside one of them.
    """
    prefixes = dict.fromkeys([sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix])
    interpreter = [os.path.join(prefix, name) for prefix in prefixes for name in _OF_PREFIX]
    named = [*_SYSTEM, *interpreter, *search_path()[1:], str(PACKAGE), *more]
    found = [path for path in named if os.path.exists(path)]
    every = list(dict.fromkeys(found + [os.path.realpath(path) for path in found]))
    _refuse_the_course(every)
    return every


def _refuse_the_course(readable: list[str]) -> None:
    root = checkout()
    for secret in (root / "solutions", root / "tests") if root else ():
        for folder in readable:
            if secret.is_relative_to(folder):
                raise ValueError(
                    f"{secret} lies inside {folder}, which every sandboxed program must be able to read: "
                    "move the course elsewhere, or students' code could read its tests and solutions"
                )
