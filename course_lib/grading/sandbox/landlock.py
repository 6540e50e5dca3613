"""Landlock: a process gives up the file system, the network and signals, for itself and all its children.

Works without privileges on Linux 5.13 and newer. What a kernel offers is told by its ABI number; older
ones confine less, and `seccomp` closes what they leave open.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache

from course_lib.grading.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # all that an ABI knows
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # the others make sense for folders only

_NETWORK = {4: 0b11}  # binding and connecting TCP
_SCOPES = {6: 0b11}  # abstract sockets and signals stay among the confined


@cache
def abi() -> int:
    """What the running kernel offers: 0 for no Landlock."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION)
    except (OSError, AttributeError):
        return 0


def ruleset(readable: Iterable[str], writable: Iterable[str]) -> int:
    """A file descriptor of what is allowed; anything that exists and is not named here is not.

    Parameters
    ----------
    readable : iterable of str
        Folders, with all below them, and files that may be read and executed.
    writable : iterable of str
        Where anything may be done. Paths that do not exist are left out in both.

    Raises
    ------
    OSError
        If the kernel has no Landlock.
    """
    everything = _offered(_RIGHTS)
    attributes = struct.pack("=QQQ", everything, _offered(_NETWORK), _offered(_SCOPES))
    size = 8 if abi() < 4 else 16 if abi() < 6 else 24  # the struct grew twice
    rules = kernel.syscall(_CREATE_RULESET, ctypes.create_string_buffer(attributes), size, 0)
    os.set_inheritable(rules, False)
    for path in readable:
        _allow(rules, path, _READ)
    for path in writable:
        _allow(rules, path, everything)
    return rules


def restrict_self(rules: int) -> None:
    """Confine this process for good. It must have no_new_privs set."""
    kernel.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights & _offered(_RIGHTS), descriptor)
        kernel.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.create_string_buffer(rule), 0)
    finally:
        os.close(descriptor)


def _offered(masks: dict[int, int]) -> int:
    """The mask of the newest ABI in the table that the kernel has reached."""
    return max((mask for since, mask in masks.items() if since <= abi()), default=0)
