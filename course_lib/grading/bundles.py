"""What an instructor hands out: a zip for students, and one for Gradescope's machines.

The student zip holds the exercise and how to start; `check` finds the public tests in course_lib, where they are
shipped. The Gradescope zip is the instructor's: master, hidden tests, public tests, the course as a wheel, and
the two scripts that Gradescope calls. Nothing is written before everything has been looked at: the tests must
fit the master, and no member of the student zip may hold a line of a solution or of a hidden test.

One source always gives the same bytes: members are sorted and bear one date.
"""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import jupytext
import nbformat

from course_lib import places
from course_lib.grading.reference import verify
from course_lib.grading.release import hidden_lines, refuse_leaks, solution_lines, student_edition

DATE = (2020, 2, 2, 0, 0, 0)
SCRIPTS = Path(__file__).with_name("gradescope")
FOLDERS = ("checks", "hidden")

START = """\
1. Once, with Python 3.11 or newer: pip install "{distribution}[lab] @ git+{repository}@main"
2. jupyter lab {name}.ipynb, then write the functions; the cell below each says what is still wrong.
3. Save, and hand in the file {name}.ipynb.
"""


def release(source: Path, tests: Path, out: Path, seed: str = "") -> list[Path]:
    """Write the zips of one exercise.

    Parameters
    ----------
    source : Path
        The master, `solutions/03_diffusion.py`.
    tests : Path
        The folder with `checks/` (public) and `hidden/`.
    out : Path
        The folder for `03_diffusion-student.zip` and `03_diffusion-gradescope.zip`.
    seed : str, optional
        The secret from which Gradescope's machines draw the inputs of hidden tests; empty for `GRADE_SEED`'s default.

    Returns
    -------
    list of Path
        Both files, the students' first.

    Raises
    ------
    ValueError
        If the master is faulty (see `student_edition`), a test does not fit it (see `verify`), or the student zip
        would hold a line of a solution or of a hidden test.
    """
    if not source.is_file():
        raise ValueError(f"there is no master {source}")
    student = student_zip(source)
    verify(source, [path for folder in FOLDERS for path in _tests(source, tests / folder)])
    refuse_leaking_members(student, source, tests)
    zips = {"student": student, "gradescope": gradescope_zip(source, tests, seed)}
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{source.stem}-{name}.zip" for name in zips]
    for path, content in zip(paths, zips.values()):
        path.write_bytes(content)
    return paths


def student_zip(source: Path) -> bytes:
    """The exercise and three lines on how to start, as a zip."""
    text = nbformat.writes(student_edition(source)) + "\n"
    start = START.format(name=source.stem, distribution=places.DISTRIBUTION, repository=places.repository())
    members = {f"{source.stem}.ipynb": text.encode(), "README.txt": start.encode()}
    return zipped({f"{source.stem}/{name}": content for name, content in members.items()})


def refuse_leaking_members(archive: bytes, source: Path, tests: Path) -> None:
    """Raise ValueError if a member's name or content holds a line of a solution or of a hidden test."""
    solved = solution_lines(jupytext.read(source, fmt="py:percent"))
    hidden = hidden_lines(source, tests)
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        for name in members.namelist():
            text = members.read(name).decode("utf-8")
            content = nbformat.from_dict(json.loads(text)) if name.endswith(".ipynb") else text
            for part in (name, content):
                refuse_leaks(part, solved, "a solution")
                refuse_leaks(part, hidden, "a hidden test")


def gradescope_zip(source: Path, tests: Path, seed: str = "") -> bytes:
    """All that a machine needs to grade this exercise without a network, as a zip."""
    name, wheel = course_wheel()
    members = {path.name: path.read_bytes() for path in SCRIPTS.iterdir() if path.is_file()}
    members |= {f"solutions/{source.name}": source.read_bytes(), name: wheel}
    for folder in FOLDERS:
        members |= {f"tests/{folder}/{path.name}": path.read_bytes() for path in _tests(source, tests / folder)}
    return zipped(members | ({"seed": seed.encode()} if seed else {}))


def _tests(source: Path, folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"test_{source.stem.split('_', 1)[-1]}*.py"))
    if not found:
        raise ValueError(f"there are no tests of {source.stem} in {folder}")
    return found


@lru_cache(maxsize=1)
def course_wheel() -> tuple[str, bytes]:
    """The wheel of this checkout: its name and its bytes.

    Raises
    ------
    ValueError
        If this is no checkout, hatchling is missing or fails, or the wheel holds what students must not have.
    """
    root = places.checkout()
    if root is None or find_spec("hatchling") is None:
        raise ValueError("to release takes a checkout of the course, installed with pip install -e '.[lab,dev]'")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        built = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if built.returncode:
            raise ValueError(f"the course's wheel cannot be built: {built.stderr.strip()[-300:]}")
        (path,) = Path(folder).glob("*.whl")
        content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        if held := [name for name in wheel.namelist() if {"hidden", "solutions"} & set(name.split("/"))]:
            raise ValueError(f"the course's wheel would hold {held[0]}")
    return path.name, content


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip of these files; scripts may be executed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if content.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
