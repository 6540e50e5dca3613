"""What travels in the wheel: all that an installed course needs, and nothing that students must not get."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    """The files of a freshly built wheel."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def shipped(source: str, target: str, pattern: str) -> set[str]:
    return {f"{target}/{path.relative_to(ROOT / source)}" for path in (ROOT / source).rglob(pattern)}


def test_the_library_with_its_data_and_weights(names):
    assert shipped("course_lib", "course_lib", "*.py") <= names
    assert shipped("course_lib", "course_lib", "*.safetensors") <= names
    assert shipped("course_lib/data/atlases", "course_lib/data/atlases", "*.*") <= names


def test_the_notebooks_exercises_and_public_checks(names):
    assert {f"course_lib/shipped/notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")} <= names
    assert {f"course_lib/shipped/exercises/{p.name}" for p in (ROOT / "exercises").glob("*.ipynb")} <= names
    assert shipped("tests/checks", "course_lib/shipped/checks", "*.py") <= names


def test_no_solutions_and_no_hidden_tests(names):
    assert not [name for name in names if re.search(r"(?<!re)solution|hidden|mutant", name)]  # not: resolution
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"course_lib"}
