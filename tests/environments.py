"""Environments of their own, for the checks that are run by hand: `tests.twin` and `tests.matrix`.

Each holds a torch with all that CUDA brings, several gigabytes, and lies in a temporary folder that goes away.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "IPYTHONDIR"}  # what would let this checkout or user show through


class Environment:
    """A virtual environment and an empty folder to work in."""

    def __init__(self, python: str, folder: Path) -> None:
        subprocess.run([python, "-m", "venv", folder / "environment"], check=True)
        self.programs, self.work = folder / "environment" / "bin", folder / "empty"
        self.work.mkdir()
        inherited = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
        self.variables = inherited | {
            "PATH": f"{self.programs}{os.pathsep}{inherited['PATH']}",
            "COURSE_DATA": str(folder / "data"),
            "COURSE_DEVICE": "cpu",
            "COURSE_PROFILE": "smoke",
            "OMP_NUM_THREADS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> str:
        """What a program of the environment prints, run in the empty folder; it must end well."""
        program, *arguments = command
        settings = {"cwd": self.work, "env": self.variables | dict(variables or {}), "text": True}
        done = subprocess.run([self.programs / program, *arguments], **settings, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, *requirements: str | Path) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", *requirements)

    def versions(self) -> dict[str, str]:
        """Package -> version, of all that is installed."""
        lines = self.run("python", "-m", "pip", "list", "--format=freeze").split()
        return dict(line.split("==") for line in lines)


@contextmanager
def environment(python: str, folder: Path | None = None) -> Iterator[Environment]:
    """A fresh environment of a Python, in a temporary folder below `folder`."""
    with TemporaryDirectory(dir=folder, prefix="course-") as temporary:
        yield Environment(python, Path(temporary))
