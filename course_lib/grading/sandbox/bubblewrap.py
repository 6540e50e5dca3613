"""The bwrap tier's command: a file system, a process table and a network of the nursery's own."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOM = "/room"
_CAPABILITIES = (  # what root's nursery needs: to become somebody, to kill that one, to clean up after that one
    "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
)  # fmt: skip
_TRIAL_SECONDS = 20


def command(readable: list[str], disk: int) -> list[str]:
    """The words to put before a command.

    Parameters
    ----------
    readable : list of str
        What can be seen inside, read-only, under the same names.
    disk : int
        Bytes that all files in `ROOM` may take.
    """
    words = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
    words += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    words += _as_root() if os.geteuid() == 0 else ["--unshare-user"]
    for path in _outermost(readable):
        words += _seen(path)
    words += ["--dev", "/dev", "--remount-ro", "/dev", "--proc", "/proc"]
    words += ["--size", str(disk)] if _limits_size() else []  # older ones: the nursery watches the size alone
    return [*words, "--tmpfs", ROOM, "--remount-ro", "/", "--chdir", "/", "--"]


def trial(readable: list[str], disk: int) -> str:
    """Why it does not work on this machine; empty if it does."""
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed (Debian and Ubuntu: apt install bubblewrap)"
    try:
        run = subprocess.run(
            [*command(readable, disk), "/usr/bin/env", "true"],
            capture_output=True, text=True, timeout=_TRIAL_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "bwrap does not return"
    return "" if run.returncode == 0 else run.stderr.strip() or f"bwrap ended with status {run.returncode}"


def _as_root() -> list[str]:
    """No user namespace: users stay who they are, so that the kernel counts the student's processes on their own."""
    return ["--cap-drop", "ALL", *(word for name in _CAPABILITIES for word in ("--cap-add", name))]


def _outermost(paths: list[str]) -> list[str]:
    """Without those that lie in another one of them."""
    kept: list[str] = []
    for path in sorted(paths, key=len):
        if not any(Path(path).is_relative_to(folder) for folder in kept if not os.path.islink(folder)):
            kept.append(path)
    return kept


def _seen(path: str) -> list[str]:
    above = reversed(Path(path).parents[:-1])
    words = [word for folder in above for word in ("--dir", str(folder))]  # else they are closed to all but root
    if os.path.islink(path):  # /lib -> usr/lib, a venv's lib64 -> lib
        return [*words, "--symlink", os.readlink(path), path]
    return [*words, "--ro-bind", path, path]


@functools.cache
def _limits_size() -> bool:
    return "--size" in subprocess.run([shutil.which("bwrap"), "--help"], capture_output=True, text=True).stdout
