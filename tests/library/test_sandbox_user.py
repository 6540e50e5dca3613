"""The sandbox's guarantees once more, as an ordinary user, where the tests themselves run as root."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from course_lib.grading.sandbox import visible

USER = "54321"
ROOT = Path(__file__).parents[2]


def closed_folders(paths: list[str]) -> list[str]:
    """The topmost folders on the way to these paths that others than their owner may not enter."""
    closed = set()
    for path in paths:
        for folder in reversed(Path(path).resolve().parents):
            if not folder.stat().st_mode & 0o001:
                closed.add(str(folder))
                break
    return sorted(closed)


def as_user(command: list[str]) -> list[str]:
    """The command as an ordinary user, to whom the interpreter and the course are opened in a view of its own."""
    needed = [*visible.paths(), str(ROOT)]
    view = ["bwrap", "--dev-bind", "/", "/"]
    for folder in closed_folders(needed):
        inside = [
            path for path in needed if os.path.realpath(path).startswith(folder + "/") and path.startswith(folder)
        ]
        view += ["--tmpfs", folder]
        parents = {str(parent) for path in inside for parent in Path(path).parents if str(parent).startswith(folder)}
        for parent in sorted(parents, key=len):
            view += ["--dir", parent]
            view += ["--chmod", "0755", parent]
        for path in inside:
            if not os.path.islink(path):
                view += ["--ro-bind", path, path]
    return [*view, "--cap-add", "ALL", "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command]


def opened(folder: Path) -> Path:
    """The folder, which any user may now enter and write into; pytest's own parents are closed to others."""
    for path in [folder, *folder.parents]:
        if path == Path(tempfile.gettempdir()):
            break
        path.chmod(0o777)
    return folder


def why_not() -> str:
    if sys.platform != "linux":
        return "the sandbox's guarantees hold on Linux"
    if os.geteuid() != 0:
        return "test_sandbox.py has just run as an ordinary user"
    if missing := [word for word in ("bwrap", "setpriv") if not shutil.which(word)]:
        return f"becoming an ordinary user needs {' and '.join(missing)}"
    trial = subprocess.run(as_user([sys.executable, "-c", "import course_lib.places"]), capture_output=True, text=True)
    return "" if trial.returncode == 0 else f"an ordinary user cannot be had here: {trial.stderr[-500:]}"


@pytest.mark.slow
def test_an_ordinary_user_has_the_same_guarantees(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = opened(tmp_path_factory.mktemp("user"))
    tests = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={folder}/temp",
        "tests/library/test_sandbox.py",
    ]
    environment = os.environ | {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        as_user([sys.executable, *tests]), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
