"""Into nbgrader's gradebook and back out of it."""

import sqlite3
import sys

import pytest
from library.reported import broken, complete, grade, partly, right, task

from course_lib.grading.reports.nbgrader import export

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
api = pytest.importorskip("nbgrader.api")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("nbgrader") / "out" / "gradebook.db"
    export([complete(), partly(), broken()], path)
    return path


@pytest.fixture
def path(exported, tmp_path):
    copy = tmp_path / "gradebook.db"
    copy.write_bytes(exported.read_bytes())
    return copy


@pytest.fixture
def opened(path):
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        yield gradebook


def test_scores_and_comments(opened):
    marks = {s.student.id: (s.score, s.needs_manual_grade) for s in opened.assignment_submissions("numbers")}
    assert marks == {"anna": (4, False), "ben": (2, False), "kim": (0, True)}
    assert {cell.name: cell.max_score for cell in opened.find_notebook("numbers", "numbers").grade_cells} == {
        "double": 3,
        "half": 2,
    }
    assert opened.find_grade("double", "numbers", "numbers", "ben").auto_score == 2
    assert opened.find_comment("double", "numbers", "numbers", "ben").comment == "NameError: name 'y' is not defined"
    assert opened.find_comment("double", "numbers", "numbers", "anna").comment is None
    assert opened.find_comment("notes", "numbers", "numbers", "kim").comment.startswith("Not graded: This is not")


def test_exported_again_marks_by_hand_stay(path):
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        mark = gradebook.find_grade("double", "numbers", "numbers", "ben")
        mark.manual_score, mark.extra_credit = 2.5, 1.0
        gradebook.find_comment("double", "numbers", "numbers", "ben").manual_comment = "Nearly!"
        gradebook.db.commit()
    export([complete(), complete("ben/03.ipynb"), broken()], path)
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        mark = gradebook.find_grade("double", "numbers", "numbers", "ben")
        assert (mark.auto_score, mark.manual_score, mark.score, mark.needs_manual_grade) == (2, 2.5, 3.5, True)
        assert gradebook.find_comment("double", "numbers", "numbers", "ben").comment == "Nearly!"
        assert len(gradebook.students) == len(gradebook.assignment_submissions("numbers")) == 3
        assert len(gradebook.assignments) == 1


def test_a_gradebook_of_other_tasks_is_left_as_it_is(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="tasks that the exercise numbers has not: half"):
        export([grade("anna/03.ipynb", task("double", right()))], path)
    tasks = (task(name, right()) for name in ("double", "half", "third"))
    with pytest.raises(ValueError, match="tasks that the gradebook has not: third"):
        export([grade("anna/03.ipynb", *tasks)], path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["gradebook.db"]


def test_two_exercises_and_one_that_nobody_knows(path):
    export([grade("anna/01.ipynb", task("triple", right()), key="gans"), grade("x.ipynb", key="", problem="?")], path)
    with sqlite3.connect(path) as connection:
        assert sorted(connection.execute("select name from assignment")) == [("gans",), ("numbers",)]
        assert len(connection.execute("select id from student").fetchall()) == 3
    connection.close()


def test_without_nbgrader_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    with pytest.raises(ModuleNotFoundError, match=r"course-lib\[nbgrader\]"):
        export([complete()], tmp_path / "gradebook.db")
    assert not list(tmp_path.iterdir())
