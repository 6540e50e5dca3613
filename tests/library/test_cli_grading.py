"""`course release`, `course grade` and `course check` as they are called, from release to results."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import targets
from library import classroom
from library.test_sandbox_user import as_user, opened, why_not

from course_lib.cli import main
from course_lib.grading.sandbox import limits, tiers


@pytest.fixture(autouse=True)
def _unprotected(monkeypatch):
    """The tests' own process stays as it is."""
    monkeypatch.setattr(limits, "protect", lambda: None)


@pytest.fixture
def handed(tmp_path) -> Path:
    """A folder with a solved and a half-solved exercise."""
    room = classroom.Room(tmp_path / "class", keys=["gans"])
    tasks = list(targets.tasks("gans"))
    room.solved("correct", {}, name="solved.ipynb")
    room.solved("half", dict.fromkeys(tasks[6:], classroom.STUB), name="half.ipynb")
    room.solved("stub", dict.fromkeys(tasks, classroom.STUB), name="untouched.ipynb")
    room.solved("raises", {tasks[0]: "nothing_of_this_name"}, name="stops.ipynb")
    return tmp_path / "class"


def failed(capsys, *arguments: object) -> str:
    """The one line that a command which cannot begin says."""
    assert main(list(map(str, arguments))) in (1, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1, told.err
    return told.err


@pytest.mark.skipif(sys.platform == "win32", reason="grading needs Linux or macOS")
def test_what_cannot_be_graded_is_told_in_a_line(handed, tmp_path, capsys):
    out = "--out", tmp_path / "graded"
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "tests" / "checks").mkdir(parents=True)
    assert "there is no folder and no file" in failed(capsys, "grade", tmp_path / "missing", *out)
    assert "nothing was handed in" in failed(capsys, "grade", tmp_path / "nothing", *out)
    assert "no exercise 'half'; there are: introduction, gans" in failed(capsys, "grade", handed, *out, "--key", "half")
    assert "has no folder hidden/" in failed(capsys, "grade", handed, *out, "--tests", tmp_path / "tests")
    assert "for one submission, got 4" in failed(capsys, "grade", handed, *out, "--gradescope", tmp_path / "r.json")
    assert str(tmp_path / "file") in failed(capsys, "grade", handed, "--out", tmp_path / "file" / "graded")
    assert str(tmp_path / "file") in failed(capsys, "grade", handed, "--out", tmp_path / "file")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--jobs", "0"], "a whole number from 1 upwards, got '0'"),
        (["--limit", "soon"], "seconds, more than 0, got 'soon'"),
        (["--limit", "0"], "seconds, more than 0, got '0'"),
        (["--limit", "nan"], "seconds, more than 0, got 'nan'"),
        (["--require", "steel"], "choose from"),
        (["--shard", "3/2"], "got '3/2'"),
    ],
)
def test_options_that_make_no_sense(handed, capsys, arguments, told):
    with pytest.raises(SystemExit) as stopped:
        main(["grade", str(handed), *arguments])
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_require_refuses_what_the_machine_lacks(handed, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiers, "why_not", lambda tier: "" if tier == tiers.Tier.PLAIN else "its kernel is too old")
    told = failed(capsys, "grade", handed, "--out", tmp_path / "graded", "--require", "bwrap")
    assert "its kernel is too old" in told
    assert not (tmp_path / "graded" / "grades.csv").exists()


def test_check_says_what_is_left_to_do(handed, capsys):
    count = len(targets.tasks("gans"))
    assert main(["check", str(handed / "solved.ipynb")]) == 0
    assert f"{count} of {count} tasks pass the public checks; hidden tests may still fail." in capsys.readouterr().out
    assert main(["check", str(handed / "half.ipynb")]) == 1
    told = capsys.readouterr().out
    assert f"6 of {count} tasks pass" in told
    assert told.count("is not written yet") == count - 6
    assert main(["check", str(handed / "untouched.ipynb")]) == 1
    assert f"0 of {count} tasks pass" in capsys.readouterr().out
    assert "stops with NameError: name 'nothing_of_this_name'" in failed(capsys, "check", handed / "stops.ipynb")
    exits = (handed / "stops.ipynb").read_text(encoding="utf-8").replace("nothing_of_this_name", "exit()")
    (handed / "exits.ipynb").write_text(exits, encoding="utf-8")
    assert "stops with SystemExit" in failed(capsys, "check", handed / "exits.ipynb")


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The zips of an exercise, unpacked where any user may go."""
    folder = opened(tmp_path_factory.mktemp("release"))
    environment = os.environ | {"GRADE_SEED": "a secret of the instructor"}
    command = [sys.executable, "-c", "from course_lib.cli import main; raise SystemExit(main())"]
    subprocess.run([*command, "release", "01_gans", "--out", str(folder)], env=environment, check=True)
    unpack(folder / "01_gans-student.zip", folder)
    unpack(folder / "01_gans-gradescope.zip", folder / "autograder" / "source")
    unpack(next((folder / "autograder" / "source").glob("*.whl")), folder / "site")
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """As unzip does, permissions included."""
    with zipfile.ZipFile(archive) as members:
        for info in members.infolist():
            path = Path(members.extract(info, folder))
            if mode := info.external_attr >> 16 & 0o777:
                path.chmod(mode)


@pytest.mark.slow
def test_the_student_zip_is_the_exercise(released):
    given = json.loads((released / "01_gans" / "01_gans.ipynb").read_text(encoding="utf-8"))
    kept = json.loads((targets.ROOT / "exercises" / "01_gans.ipynb").read_text(encoding="utf-8"))
    assert given == kept
    assert main(["check", str(released / "01_gans" / "01_gans.ipynb")]) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Gradescope's machines run Linux")
@pytest.mark.parametrize("user", ["ordinary", "own"])
def test_gradescopes_machine_grades_with_its_own_script(released, user):
    """The zip, unpacked in a fresh folder, with the course from its wheel: no checkout, and no root."""
    if user == "ordinary" and (reason := why_not()):
        pytest.skip(reason)
    base = released / f"machine of {user}"
    (base / "submission").mkdir(parents=True)
    base.chmod(0o777)
    (base / "source").symlink_to(released / "autograder" / "source")
    handed = classroom.solution("gans")
    cell = next(classroom.task_cells(handed))
    cell["source"] = classroom.mutant(classroom.WRONG["gans"][0])
    (base / "submission" / "my work.ipynb").write_text(json.dumps(handed), encoding="utf-8")
    course = base / "course"
    lines = f"import sys\nsys.path.insert(0, {str(released / 'site')!r})\nfrom course_lib.cli import main\n"
    course.write_text(
        f'#!{sys.executable}\n{lines}if __name__ == "__main__":\n    sys.exit(main())\n', encoding="utf-8"
    )
    course.chmod(course.stat().st_mode | stat.S_IXUSR | stat.S_IXOTH | stat.S_IXGRP)
    environment = {"PATH": os.environ["PATH"], "HOME": str(base), "AUTOGRADER": str(base), "COURSE": str(course)}
    script = [str(base / "source" / "run_autograder")]
    command = as_user(script) if user == "ordinary" else script
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    results = json.loads((base / "results" / "results.json").read_text(encoding="utf-8"))
    lost = {entry["number"].split(".")[0] for entry in results["tests"] if entry["status"] == "failed"}
    assert lost == {"1"}
    assert results["score"] == sum(entry["score"] for entry in results["tests"]) < len(results["tests"])
    assert any(classroom.WRONG["gans"][0].hint in entry["output"] for entry in results["tests"])
    assert "a secret of the instructor" not in json.dumps(results)
    if user == "ordinary":
        assert (base / "results" / "results.json").stat().st_uid == 54321
