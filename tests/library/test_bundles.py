"""What is handed out: the zips hold what they should, and a release that would give something away is refused."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import targets
from nbclient import NotebookClient

from course_lib.grading import bundles
from course_lib.grading.bundles import course_wheel, refuse_leaking_members, release, zipped
from course_lib.grading.reference import solution, stubs, verify

MASTER = '''\
# %% tags=["bootstrap"]
import course_lib

# %% tags=["setup"]
two = 2.0

# %% [markdown]
# ## 1 · Double

# %% tags=["task"] task="double" difficulty=2 importance=5 minutes=5
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x * 1.0 + 0 * two
    ### END SOLUTION


# %% tags=["check"]
check("double")
'''

TESTS = '''\
import pytest

from course_lib.grading.expect import expect


@pytest.mark.task("double")
def test_double(student):
    """Twice {number}."""
    expect(student.double({number}.0), 2 * {number}.0, dict(missing={number}.0))
'''


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A checkout with one exercise of one task, and a wheel that need not be built."""
    monkeypatch.setattr(bundles, "course_wheel", lambda: ("course_lib-0-py3-none-any.whl", b"wheel"))
    for folder in ("solutions", "tests/checks", "tests/hidden"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "solutions" / "09_double.py").write_text(MASTER, encoding="utf-8")
    (tmp_path / "tests" / "checks" / "test_double.py").write_text(TESTS.format(number=3), encoding="utf-8")
    (tmp_path / "tests" / "hidden" / "test_double.py").write_text(TESTS.format(number=7919), encoding="utf-8")
    return tmp_path


def released(course: Path, **options) -> list[Path]:
    return release(course / "solutions" / "09_double.py", course / "tests", course / "out", **options)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_both_zips(course):
    student, gradescope = released(course, seed="a secret")
    assert [student.name, gradescope.name] == ["09_double-student.zip", "09_double-gradescope.zip"]
    given = members(student)
    assert list(given) == ["09_double/09_double.ipynb", "09_double/README.txt"]
    assert len(given["09_double/README.txt"].decode().splitlines()) == 3
    assert b"NotImplementedError" in given["09_double/09_double.ipynb"]
    text = b"".join(given.values())
    assert b"x + x" not in text
    assert b"7919" not in text
    kept = members(gradescope)
    assert list(kept) == [
        "course_lib-0-py3-none-any.whl",
        "run_autograder",
        "seed",
        "setup.sh",
        "solutions/09_double.py",
        "tests/checks/test_double.py",
        "tests/hidden/test_double.py",
    ]
    assert kept["solutions/09_double.py"] == MASTER.encode()
    assert kept["seed"] == b"a secret"


def test_the_same_sources_give_the_same_bytes(course):
    first = [path.read_bytes() for path in released(course)]
    os.utime(course / "solutions" / "09_double.py", (1, 1))
    assert [path.read_bytes() for path in released(course)] == first


def test_scripts_may_be_executed():
    with zipfile.ZipFile(io.BytesIO(zipped({"b": b"#!/bin/sh", "a": b""}))) as archive:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    assert modes == {"a": 0o644, "b": 0o755}


@pytest.mark.parametrize(
    ("path", "old", "new", "sentence"),
    [
        ("solutions/09_double.py", "    ### END SOLUTION\n", "", "without ### END SOLUTION"),
        ("solutions/09_double.py", "    return x + x * 1.0 + 0 * two\n", "", "has no solution"),
        ("solutions/09_double.py", "Twice x.", "So: return x + x * 1.0 + 0 * two", "a line of a solution"),
        ("solutions/09_double.py", "Twice x.", TESTS.format(number=7919).splitlines()[-1], "a line of a hidden test"),
        ("solutions/09_double.py", "x + x * 1.0 + 0", "x + x * 1.5 + 0", "the reference solution fails 2 tests"),
        ("tests/hidden/test_double.py", "2 * 7919.0,", "3 * 7919.0,", "the reference solution fails 1 tests"),
        (
            "tests/hidden/test_double.py",
            "    expect(student.double(7919.0)",
            "    expect(2 * 7919.0",
            "a stub passes 1",
        ),
        ("tests/checks/test_double.py", "import pytest", "import pytest, nothing_of_this_name", "cannot be read"),
    ],
)
def test_what_is_refused(course, path, old, new, sentence):
    text = (course / path).read_text(encoding="utf-8")
    assert old in text
    (course / path).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        released(course)
    assert not (course / "out").exists()


def test_no_tests_no_master_no_task_without_a_test(course):
    master = course / "solutions" / "09_double.py"
    with pytest.raises(ValueError, match="there is no master"):
        release(course / "solutions" / "10_half.py", course / "tests", course / "out")
    text = (course / "tests" / "checks" / "test_double.py").read_text(encoding="utf-8").replace('"double"', '"half"')
    (course / "tests" / "checks" / "test_double.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="without a test: double"):
        verify(master, [course / "tests" / "checks" / "test_double.py"])
    with pytest.raises(ValueError, match="no tests"):
        verify(master, [])
    (course / "tests" / "hidden" / "test_double.py").unlink()
    with pytest.raises(ValueError, match="there are no tests of 09_double"):
        released(course)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("README.txt", b"try:  return x + x * 1.0 +  0 * two", "a line of a solution"),
        ("expect(student.double(7919.0), 2 * 7919.0, dict(missing=7919.0))", b"", "a line of a hidden test"),
        ("x.ipynb", b'{"metadata": {"a": ["return x + x * 1.0 ", "+ 0 * two"]}}', "a line of a solution"),
        ("x.ipynb", b'{"cells": [{"source": "### BEGIN SOLUTION"}]}', "a solution's marker"),
    ],
)
def test_each_member_is_looked_into(course, name, content, sentence):
    source = course / "solutions" / "09_double.py"
    refuse_leaking_members(zipped({"README.txt": b"return x"}), source, course / "tests")
    with pytest.raises(ValueError, match=sentence):
        refuse_leaking_members(zipped({name: content}), source, course / "tests")


@pytest.mark.parametrize("key", ["gans", "vaes", "diffusion", "transformers", "ssms", "applications", "ethics"])
def test_the_reference_is_what_the_tests_take_it_for(key):
    (master,) = targets.ROOT.glob(f"solutions/*_{key}.py")
    assert solution(master).keys() == stubs(master).keys()
    assert targets.solution(key).keys() == solution(master).keys()


def test_a_wheel_takes_a_checkout(monkeypatch):
    monkeypatch.setattr(bundles.places, "checkout", lambda: None)
    course_wheel.cache_clear()
    with pytest.raises(ValueError, match="takes a checkout"):
        course_wheel()


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    """Both zips of an exercise of this course, unpacked, and the course as installed from the wheel."""
    course_wheel.cache_clear()
    folder = tmp_path_factory.mktemp("released")
    (master,) = targets.ROOT.glob("solutions/*_diffusion.py")
    for path, name in zip(release(master, targets.ROOT / "tests", folder), ("student", "autograder/source")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / name)
    (wheel,) = (folder / "autograder" / "source").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder


def test_the_wheel_holds_public_tests_only(diffusion):
    assert (diffusion / "site" / "course_lib" / "shipped" / "checks" / "test_diffusion.py").exists()
    names = [str(path) for path in (diffusion / "site").rglob("*")]
    assert not [name for name in names if "hidden" in name or "solutions" in name]


@pytest.mark.slow
def test_the_student_zip_runs_where_only_the_course_is_installed(diffusion):
    notebook = nbformat.read(diffusion / "student" / "03_diffusion" / "03_diffusion.ipynb", as_version=4)
    environment = os.environ | {"PYTHONPATH": str(diffusion / "site"), "COURSE_PROFILE": "smoke"}
    where = {"metadata": {"path": str(diffusion / "student" / "03_diffusion")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute(env=environment)
    said = {cell.source: str(cell.outputs) for cell in notebook.cells if "check" in cell.metadata.get("tags", [])}
    assert len(said) == len(targets.tasks("diffusion"))
    for task in targets.tasks("diffusion"):
        assert f"{task} is not written yet" in said[f'check("{task}")']


def autograder(base: Path, course: Path) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "AUTOGRADER": str(base), "COURSE": str(course)}
    command = [str(base / "source" / "run_autograder")]
    (base / "source" / "run_autograder").chmod(0o755)  # zipfile's own unpacking forgets it, unzip does not
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def machine(diffusion, tmp_path):
    """A fresh Gradescope folder, and a `course` that only writes down how it was called."""
    (tmp_path / "source").symlink_to(diffusion / "autograder" / "source")
    (tmp_path / "submission" / "sub folder").mkdir(parents=True)
    called = tmp_path / "course"
    program = (
        "import json, os, sys; a = sys.argv[1:]; json.dump(dict(a=a, s=os.environ.get('GRADE_SEED')), open(a[-1], 'w'))"
    )
    called.write_text(f"#!{sys.executable}\n{program}\n", encoding="utf-8")
    called.chmod(0o755)
    return tmp_path


def test_the_run_script_grades_the_one_notebook(machine):
    notebook = machine / "submission" / "sub folder" / "my work.ipynb"
    notebook.write_text("{}")
    for other in (".hidden.ipynb", "notes.txt"):
        (notebook.parent / other).write_text("")
    ran = autograder(machine, machine / "course")
    assert ran.returncode == 0, ran.stderr
    results = machine / "results" / "results.json"
    tests = machine / "source" / "tests"
    called = json.loads(results.read_text())
    assert called["s"] is None
    assert called["a"] == (
        ["grade", str(notebook), "--key", "diffusion", "--tests", str(tests), "--gradescope", str(results)]
    )


@pytest.mark.parametrize("names", [[], ["a.ipynb", "b.ipynb"]])
def test_the_run_script_says_what_to_hand_in(machine, names):
    for name in names:
        (machine / "submission" / name).write_text("{}")
    assert autograder(machine, machine / "course").returncode == 0
    found = json.loads((machine / "results" / "results.json").read_text())
    assert found["score"] == 0
    assert "03_diffusion.ipynb" in found["output"]
    assert f"here are {len(names)} files" in found["output"]


def test_the_scripts_are_shell():
    for path in bundles.SCRIPTS.iterdir():
        assert subprocess.run(["bash", "-n", path]).returncode == 0
