"""A class is graded: nobody is lost, everyone gets the points that are due, and an interruption changes nothing.

The grading itself is the real command in processes of its own; what the ledger believes is asked of it directly.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import NamedTuple

import pytest
import targets
from library import classroom
from library.classroom import STUB, Handed

from course_lib.grading import batch
from course_lib.grading.batch import Batch
from course_lib.grading.handed_in import HandedIn, handed_in
from course_lib.grading.job import Conditions
from course_lib.grading.points import run
from course_lib.grading.record import Grade, from_json, to_json
from course_lib.grading.release import stub
from course_lib.grading.sandbox import descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="grading a class needs Linux")

KINDS = [
    *classroom.UNREADABLE,
    classroom.correct,
    classroom.partly,
    classroom.unfinished,
    classroom.untouched,
    classroom.partly,
    classroom.raising,
    classroom.doubled,
    classroom.magical,
    classroom.named[2],
    classroom.leaving,
]
# whoever runs the tests in the background has Ctrl-C ignored, and what is ignored is inherited
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COURSE = [sys.executable, "-c", f"{HEARS}; from course_lib.cli import main; raise SystemExit(main())"]
SEED = "a class of its own"


def grade(folder: Path, out: Path, jobs: int) -> subprocess.Popen:
    """`course grade`, in a group of processes as a terminal would have it; the limit is far, for machines are busy."""
    command = [*COURSE, "grade", str(folder), "--out", str(out), "--jobs", str(jobs), "--limit", "60"]
    environment = os.environ | {"GRADE_SEED": SEED}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


class Graded(NamedTuple):
    """A class, and what `course grade` made of it."""

    folder: Path
    handed: list[Handed]
    out: Path
    said: str
    bar: str

    def rows(self) -> dict[str, dict[str, str]]:
        with open(self.out / "grades.csv", newline="", encoding="utf-8") as file:
            return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Graded:
    pytest.importorskip("tqdm")
    base = tmp_path_factory.mktemp("class")
    handed = classroom.class_of(base / "submissions", count=0, seed=4, keys=["diffusion", "vaes"], kinds=KINDS)
    process = grade(base / "submissions", base / "graded", jobs=2)
    said, bar = process.communicate(timeout=300)
    assert process.returncode == 0, bar
    return Graded(base / "submissions", handed, base / "graded", said, bar)


def files_of(out: Path) -> dict[str, bytes]:
    """What a reader gets: table and pages."""
    paths = [out / "grades.csv", out / "index.html", *sorted((out / "feedback").iterdir())]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.slow
def test_everyone_has_a_row_and_a_page(graded):
    assert list(graded.rows()) != []
    shown = {row["file"].strip("'").replace("␊", "\n") for row in graded.rows().values()}
    assert shown == {handed.name for handed in graded.handed}
    assert len(files_of(graded.out)) == 2 + len(graded.handed)
    assert f"{len(graded.handed)}/{len(graded.handed)}" in graded.bar
    assert graded.said.count(" of ") >= len(graded.handed)


@pytest.mark.slow
def test_what_cannot_be_graded_says_why(graded):
    for handed in graded.handed:
        row = graded.rows()[handed.name]
        assert bool(row["problem"]) == (handed.lost is None), row
        assert handed.lost is not None or (row["total"], row["tier"]) == ("0", "")


def due(handed: Handed) -> dict[str, int]:
    """Task -> points: what the same tests find in this process, where nothing is confined."""
    cells = {
        task: stub(targets.tasks(handed.key)[task], task) if source == STUB else source
        for task, source in handed.lost.items()
    }
    files = [file for folder in ("checks", "hidden") for file in targets.files(handed.key, folder)]
    points = dict.fromkeys(targets.tasks(handed.key), 0)
    for point in run(files, targets.changed(handed.key, cells)):
        points[point.task] += point.passed
    return points


@pytest.mark.slow
def test_the_points_are_those_that_are_due(graded, monkeypatch):
    monkeypatch.setenv("GRADE_SEED", SEED)
    rows = graded.rows()
    for handed in graded.handed:
        if handed.kind in ("partly", "unfinished"):
            assert by_task(rows[handed.name]) == due(handed), handed
        elif handed.lost is not None and STUB not in handed.lost.values():
            lost = {column for column, share in shares(rows[handed.name]).items() if share < 1}
            assert lost == set(handed.lost), handed
        elif handed.lost is not None:
            assert rows[handed.name]["total"] == "0"


def by_task(row: dict[str, str]) -> dict[str, int]:
    return {name: points for name, (points, _) in _points(row)}


def shares(row: dict[str, str]) -> dict[str, float]:
    return {name: points / possible for name, (points, possible) in _points(row)}


def _points(row: dict[str, str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for column, value in row.items():
        if column.startswith(f"{row['exercise']}/"):
            name, possible = column.removeprefix(f"{row['exercise']}/").rstrip(")").split(" (")
            yield name, (int(value), int(possible))


@pytest.mark.slow
def test_nothing_changes_if_it_is_interrupted_and_resumed(graded, tmp_path):
    """Killed job, Ctrl-C, SIGTERM, SIGKILL: then the same table and pages, and no submission graded twice."""
    ledger: dict[str, int] = {}
    for stop, after, jobs in [(signal.SIGINT, 3, 2), (signal.SIGTERM, 5, 1), (signal.SIGKILL, 7, 1)]:
        process = grade(graded.folder, tmp_path, jobs)
        if stop == signal.SIGINT:
            kill_a_job(process, tmp_path)
        told = stopped(process, stop, tmp_path, after)
        assert process.returncode == (130 if stop == signal.SIGINT else -stop), told
        assert "Traceback" not in told
        assert ledger.items() <= entries(tmp_path).items()
        ledger = entries(tmp_path)
        assert not (tmp_path / "grades.csv").exists()
    process = grade(graded.folder, tmp_path, jobs=1)
    told = process.communicate(timeout=300)[1]
    assert process.returncode == 0, told
    assert ledger.items() <= entries(tmp_path).items()
    assert files_of(tmp_path) == files_of(graded.out)


def stopped(process: subprocess.Popen, stop: int, out: Path, after: int) -> str:
    """What it says when it is stopped after so many grades; no process of it may be left."""
    wait_until(lambda: len(entries(out)) >= after, process)
    family = descendants.of(process.pid)
    os.killpg(process.pid, stop) if stop == signal.SIGINT else process.send_signal(stop)
    told = process.communicate(timeout=60)[1]
    wait_until(lambda: not alive(family))
    return told


def entries(out: Path) -> dict[str, int]:
    """Grade in the ledger -> when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "grades").glob("*.json")}


def kill_a_job(process: subprocess.Popen, out: Path) -> None:
    """Kill a process that is grading, as the kernel does where memory runs out."""
    wait_until(lambda: entries(out), process)
    jobs = [child.pid for child in descendants.of(process.pid) if _is_job(child.pid)]
    os.kill(jobs[0], signal.SIGKILL)


def _is_job(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def alive(family: list[descendants.Process]) -> list[descendants.Process]:
    now = {process.pid for process in descendants.processes() if process.state not in "ZX"}
    return [process for process in family if process.pid in now]


def wait_until(true, process: subprocess.Popen | None = None, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


MASTER = '''\
# %% [markdown]
# ## 1 · Double

# %% tags=["task"] task="double" difficulty=2 importance=5 minutes=5
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %% tags=["check"]
check("double")
'''
TEST = '''\
import pytest


@pytest.mark.task("double")
def test_double(student):
    """Twice 3."""
    assert student.double(3) == 6
'''


class InPlace:
    """A job that grades at once, by a rule of its own, and says what it was given."""

    begun: list[str]
    deadly: set[str]

    def __init__(self, conditions: Conditions) -> None:
        self.pipe, self._other = Pipe()

    def begin(self, name: str, path: Path, key: str) -> None:
        InPlace.begun.append(name)
        if name in InPlace.deadly:
            self._other.close()
        else:
            self._other.send(("grade", to_json(Grade(name, key, "plain", (), (path.read_text(),)))))

    def grade(self) -> Grade:
        return from_json(self.pipe.recv()[1])

    def close(self) -> None:
        self.pipe.close()


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A course of one task, with two submissions, graded by `InPlace`."""
    InPlace.begun, InPlace.deadly = [], set()
    monkeypatch.setattr(batch, "Job", InPlace)
    for name, text in {
        "solutions/09_double.py": MASTER,
        "tests/checks/test_double.py": TEST,
        "tests/hidden/test_double.py": TEST,
        "class/anna.ipynb": json.dumps({"cells": [classroom.code("def double(x):\n    return 2 * x")]}),
        "class/ben.ipynb": json.dumps({"cells": [classroom.code("def double(x):\n    return x")]}),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def graded_again(course: Path, **conditions: object) -> tuple[list[Grade], list[str]]:
    """The grades of the class, and who was graded for them."""
    InPlace.begun = []
    given = Conditions(course, course / "tests", "plain", "a seed", 10.0)._replace(**conditions)
    done: list[int] = []
    grades = Batch(handed_in(course / "class"), given, course / "ledger").grades(2, done.append)
    assert sum(done) == len(grades)
    return grades, sorted(InPlace.begun)


EVERYONE = ["anna.ipynb", "ben.ipynb"]


def test_who_is_graded_is_not_graded_again(course):
    grades, begun = graded_again(course)
    assert [grade.file for grade in grades] == begun == EVERYONE
    assert graded_again(course) == (grades, [])


@pytest.mark.parametrize("change", [{"seed": "another"}, {"limit": 11.0}, {"tier": "bwrap"}])
def test_other_conditions_are_another_grading(course, change):
    graded_again(course)
    assert graded_again(course, **change)[1] == EVERYONE


@pytest.mark.parametrize(
    "file", ["tests/hidden/test_double.py", "tests/checks/test_double.py", "solutions/09_double.py"]
)
def test_other_tests_are_another_grading(course, file):
    graded_again(course)
    (course / file).write_text((course / file).read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert graded_again(course)[1] == EVERYONE


def test_what_is_handed_in_anew_is_graded_anew(course):
    graded_again(course)
    with open(course / "class" / "ben.ipynb", "a", encoding="utf-8") as file:
        file.write(" ")
    grades, begun = graded_again(course)
    assert begun == ["ben.ipynb"]
    assert grades[1].notes[0].endswith(" ")


def test_a_forged_grade_is_not_believed(course):
    first, _ = graded_again(course)
    entries = sorted((course / "ledger").iterdir(), key=lambda path: "anna" not in path.read_text())
    anna, ben = (path.read_bytes() for path in entries)
    forgeries = [
        anna.replace(b"return 2", b"return 5"),
        ben,  # somebody else's, whole
        anna[:200],
        b"",
        b"[]",
        b'{"of": 1, "grade": 2, "seal": 3}',
        b'{"of": "1", "grade": "2", "seal": "\xc3\xa9"}',
        b"[" * 100_000,
        b"\xff",
    ]
    for forgery in forgeries:
        assert forgery != anna
        entries[0].write_bytes(forgery)
        assert graded_again(course) == (first, ["anna.ipynb"])
        assert graded_again(course) == (first, [])


def test_a_process_that_dies_is_replaced(course):
    InPlace.deadly = {"anna.ipynb"}
    grades, begun = graded_again(course)
    assert begun == ["anna.ipynb"] * batch.MOST_TRIES + ["ben.ipynb"]
    assert grades[0].problem == "grading it ended the grader's process"
    assert (grades[1].problem, grades[1].tier) == ("", "plain")


def test_no_such_exercise(course):
    with pytest.raises(ValueError, match="there is no exercise 'half'; there are: double"):
        Batch([HandedIn("a", course)], Conditions(course, course / "tests", "plain", "", 1.0), course, "half")


def test_the_seed_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("GRADE_SEED", raising=False)
    first = batch.secret(tmp_path / "graded")
    assert len(first) >= 32
    assert batch.secret(tmp_path / "graded") == first
    assert (tmp_path / "graded" / "seed").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("GRADE_SEED", "given")
    assert batch.secret(tmp_path / "graded") == "given"
