"""Every supported Python with the oldest and the newest torch. Run by hand, `python -m tests.matrix`.

In each environment the wheel is installed, not the checkout; in an empty folder `course doctor` must find all in place,
and `course run` must execute every notebook that the wheel carries in the smallest budget.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environments import ROOT, environment

PYTHONS = ("python3.11", "python3.12", "python3.13")
TORCHES = ("torch==2.6.*", "torch")  # the lower bound in pyproject.toml, and what pip takes by itself
NAMES = "from course_lib.notebooks import catalogue; print(*catalogue.names())"


def main() -> int:
    """Try all pairs; one that fails ends the run and shows why."""
    options = _options()
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        for python in options.python or PYTHONS:
            for torch in options.torch or TORCHES:
                _try(wheel, python, torch, options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Try the wheel under every Python and torch.")
    parser.add_argument("--python", action="append", help=f"may be given several times; default: {', '.join(PYTHONS)}")
    parser.add_argument("--torch", action="append", help=f"may be given several times; default: {', '.join(TORCHES)}")
    parser.add_argument("--notebook", action="append", help="03_diffusion, may be given several times; default: all")
    parser.add_argument("--folder", type=Path, help="where environments lie while this runs; each takes gigabytes")
    return parser.parse_args()


def _try(wheel: Path, python: str, torch: str, options: argparse.Namespace) -> None:
    start = time.monotonic()
    with environment(python, options.folder) as fresh:
        fresh.install(torch, f"course-lib[lab] @ {wheel.as_uri()}")
        fresh.run("course", "doctor")
        pair = f"{Path(python).name}, torch {fresh.versions()['torch']}"
        print(f"{pair}: installed in {time.monotonic() - start:.0f} s", flush=True)
        for name in options.notebook or fresh.run("python", "-c", NAMES).split():
            start = time.monotonic()
            fresh.run("course", "run", name, "--profile", "smoke")
            print(f"{pair}: {name} in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
