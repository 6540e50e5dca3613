"""seccomp: the kernel refuses system calls that no exercise needs.

The filter is a program for the kernel's small machine (classic BPF) that sees a call's number and its
arguments. It goes through a list of rules; the first that matches answers with an error, and a call that
none matches is allowed.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple

from course_lib.grading.sandbox import kernel, syscalls
from course_lib.grading.sandbox.syscalls import ARCHITECTURES

PR_SET_SECCOMP, MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments are of 8 bytes each
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X32 = 0x40000000  # numbers of the 32-bit calls of x86_64

_NEW_NAMESPACES = 0x7E020080
_FORM_OF_SOCKET, _DATAGRAM, _UNIX = 0xF, 2, 1
_SET_DUMPABLE = 4
_PUSH_TO_TERMINAL, _PASTE_TO_TERMINAL = 0x5412, 0x541C
_ALL_BITS = 0xFFFFFFFF


class Rule(NamedTuple):
    """Refuse a call, or only if `(argument & mask) == value` (or `!= value`)."""

    call: tuple[int, int | None]
    code: int = errno.EPERM
    argument: int | None = None
    mask: int = _ALL_BITS
    value: int = 0
    unless: bool = False


def known() -> bool:
    """Whether this machine's architecture is one that the table of system calls knows."""
    return platform.machine() in ARCHITECTURES


def rules(*, attributes: bool, files: bool) -> list[Rule]:
    """What is refused: signals among it, to anybody, so that who kills its own parent gets the same answer each time.

    Parameters
    ----------
    attributes : bool
        Also changing a file's owner, mode and times.
    files : bool
        Also opening any file for writing, and changing folders.
    """
    tables = [syscalls.INTRUSIONS, syscalls.SOCKETS, syscalls.HOARDS, syscalls.SIGNALS]
    tables += [syscalls.ATTRIBUTES] * attributes + [syscalls.FOLDERS] * files
    refused = [Rule(call) for table in tables for call in table.values()]
    return refused + _by_argument() + _truncations() + (_writing() if files else [])


def _by_argument() -> list[Rule]:
    return [
        Rule(syscalls.CLONE3, errno.ENOSYS),  # its flags lie in memory; the C library then uses clone
        *(Rule(syscalls.CLONE, argument=0, mask=1 << bit, value=1 << bit) for bit in _bits(_NEW_NAMESPACES)),
        Rule(syscalls.SOCKETPAIR, argument=0, value=_UNIX, unless=True),
        Rule(syscalls.SOCKETPAIR, argument=1, mask=_FORM_OF_SOCKET, value=_DATAGRAM),  # could be sent to any address
        Rule(syscalls.PRLIMIT, argument=0, value=0, unless=True),  # limits of another process
        Rule(syscalls.SET_AFFINITY, argument=0, value=0, unless=True),
        Rule(syscalls.PRCTL, argument=0, value=_SET_DUMPABLE),
        Rule(syscalls.IOCTL, argument=1, value=_PUSH_TO_TERMINAL),
        Rule(syscalls.IOCTL, argument=1, value=_PASTE_TO_TERMINAL),
    ]


def _truncations() -> list[Rule]:
    """Landlock before its third ABI lets a file be emptied that is opened for reading."""
    only = os.O_ACCMODE | os.O_TRUNC
    return [
        Rule(syscalls.OPENAT2, errno.ENOSYS),  # its flags lie in memory; nothing common needs it
        Rule(syscalls.OPEN, argument=1, mask=only, value=os.O_TRUNC),
        Rule(syscalls.OPENAT, argument=2, mask=only, value=os.O_TRUNC),
    ]


def _writing() -> list[Rule]:
    places = ((syscalls.OPEN, 1), (syscalls.OPENAT, 2))
    flags = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)
    return [Rule(call, errno.EACCES, place, flag, flag) for call, place in places for flag in flags]


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(32) if mask >> bit & 1]


def apply(refused: list[Rule]) -> None:
    """Confine this process for good. It must have no_new_privs set.

    Raises
    ------
    OSError
        If the kernel has no seccomp, or the architecture is not known.
    """
    if not known():
        raise OSError(errno.ENOSYS, f"no table of system calls for {platform.machine()}")
    code = _program(refused)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header)
    kernel.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(pointer))


def _program(refused: list[Rule]) -> bytes:
    column, architecture = ARCHITECTURES[platform.machine()]
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_JUMP_EQUAL, architecture, yes=1),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
        _line(_JUMP_AT_LEAST, _X32, no=1),
        _line(_RETURN, _KILL),
        _line(_JUMP_AT_LEAST, syscalls.NEWEST, no=1),
        _line(_RETURN, _ERROR | errno.ENOSYS),
    ]
    for rule in refused:
        if (number := rule.call[column]) is not None:
            lines += _refusal(number, rule)
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def _refusal(number: int, rule: Rule) -> list[bytes]:
    """Lines that answer this call and leave the number of any other in the register."""
    answer = _line(_RETURN, _ERROR | rule.code)
    if rule.argument is None:
        return [_line(_JUMP_EQUAL, number, no=1), answer]
    met, missed = (0, 1) if not rule.unless else (1, 0)
    return [
        _line(_JUMP_EQUAL, number, no=5),
        _line(_LOAD, _ARGUMENTS + 8 * rule.argument),  # its lower half: both architectures are little-endian
        _line(_AND, rule.mask),
        _line(_JUMP_EQUAL, rule.value, yes=met, no=missed),
        answer,
        _line(_LOAD, _NUMBER),
    ]


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
