"""The few calls of the Linux kernel that Python does not offer."""

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 4, 8
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38

CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


def prctl(option: int, *arguments: int) -> None:
    """prctl(2).

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _checked(_libc.prctl(option, *(ctypes.c_ulong(argument) for argument in padded)))


def syscall(number: int, *arguments: object) -> int:
    """A system call by its number.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    wide = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    return _checked(_libc.syscall(ctypes.c_long(number), *wide))


def keep_only(capabilities: int) -> None:
    """Give up all capabilities of this thread but those in the mask (at most the first 32)."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(capabilities, capabilities, 0, 0, 0, 0)  # effective, permitted, inheritable, twice
    _checked(_libc.capset(header, sets))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
