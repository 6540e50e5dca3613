"""Text from strangers, names of pages, the table and Gradescope's results."""

import csv
import io
import json
from pathlib import PurePath

import pytest
from library.reported import HOSTILE, broken, complete, everyone, grade, hostile, partly, right, task, wrong

from course_lib.grading.reports.files import page_name, students, write
from course_lib.grading.reports.gradescope import results, write_results
from course_lib.grading.reports.hints import UNEXPLAINED, kind, told
from course_lib.grading.reports.table import harmless, table, write_table
from course_lib.grading.reports.text import code_lines, visible


def rows(grades) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table(grades))))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[0m", "a␀b␛[0m"),
        ("a\r\nb", "a␍␊b"),
        ("\u202eabc\u2066", "⟨U+202E⟩abc⟨U+2066⟩"),
        ("\u200b\ufeff\x85\u2028\x7f", "⟨U+200B⟩⟨U+FEFF⟩⟨U+0085⟩⟨U+2028⟩␡"),
        ("\udc80\ud800\ue000", "⟨U+DC80⟩⟨U+D800⟩⟨U+E000⟩"),
        ("Zoë Łukasz 李 → 🎲", "Zoë Łukasz 李 → 🎲"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 3),
        ("x" * 401, "x" * 400 + "…"),
    ],
)
def test_what_cannot_be_seen_is_drawn(text, shown):
    assert visible(text) == shown


def test_lines_are_pythons_lines():
    assert code_lines("a\rb\r\nc\nd\x0be\u2028f\n\n") == ["a", "b", "c", "d\x0be\u2028f"]


FILES = [
    "a/x.ipynb",
    "A/x.ipynb",
    "a-x.ipynb",
    "../a/x.ipynb",
    "/a/x.ipynb",
    "..",
    "",
    "\udcff",
    "x" * 300,
    "con",
    ".git",
]


def test_a_page_stays_in_its_folder_and_has_its_own_name():
    names = [page_name(file) for file in [*FILES, HOSTILE]]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert PurePath(name).name == name
        assert not name.startswith((".", "-"))
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
        assert len(name) < 90
    assert names == [page_name(file) for file in [*FILES, HOSTILE]]


def test_a_page_is_called_by_a_readable_name():
    assert page_name("Jörg_Çelik.ipynb").startswith("jorg-celik-")


def test_moodles_folders_hold_a_name():
    twice = "Ben Ito_77_assignsubmission_file/b.ipynb", "Ben Ito_78_assignsubmission_file/b.ipynb"
    names = students([grade("Anna Ito_1234_assignsubmission_file_/a.ipynb"), *map(grade, twice)])
    assert list(names.values()) == ["Anna Ito", *(file.removesuffix(".ipynb") for file in twice)]


def test_whose_submission_it_is():
    files = ["anna/03.ipynb", "ben.ipynb", "c/one.ipynb", "c/two.IPYNB", "d/x.ipynb", "d/x.IPYNB"]
    assert students([grade(file) for file in files]) == {
        "anna/03.ipynb": "anna",
        "ben.ipynb": "ben",
        "c/one.ipynb": "c/one",
        "c/two.IPYNB": "c/two",
        "d/x.ipynb": "d/x.ipynb",
        "d/x.IPYNB": "d/x.IPYNB",
    }
    two = [grade("anna/01.ipynb", key="gans"), grade("anna/03.ipynb")]
    assert set(students(two).values()) == {"anna"}


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "page.html"
    write(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write(path, "\ud800")
    assert path.read_text() == "before"
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_the_table(tmp_path):
    first, second, third = rows([partly(), complete(), broken()])
    assert [row["student"] for row in (first, second, third)] == ["anna", "ben", "kim"]
    assert list(first)[:6] == ["student", "file", "exercise", "tier", "numbers/double (3)", "numbers/half (2)"]
    assert (second["numbers/double (3)"], second["numbers/half (2)"], second["total"]) == ("2", "0", "2")
    assert (first["possible"], first["percent"], second["percent"]) == ("4", "100.0", "40.0")
    assert second["notes"] == "The cell of double was there twice; the last counts."
    assert (third["total"], third["tier"], third["problem"]) == ("0", "", "This is not a notebook: it is not JSON.")
    write_table(everyone(), tmp_path / "grades.csv")
    assert (tmp_path / "grades.csv").read_bytes() == table(everyone()[::-1]).encode()


def test_two_exercises_share_a_table():
    other = grade("anna/01.ipynb", task("triple", right()), key="gans")
    first, second = rows([complete(), other])
    assert (first["exercise"], first["gans/triple (1)"], first["numbers/half (2)"]) == ("gans", "1", "")
    assert (second["gans/triple (1)"], second["numbers/half (2)"]) == ("", "2")


def test_a_submission_of_no_known_exercise_has_its_row():
    (row,) = rows([grade("x.ipynb", key="", tier="", problem="This is no exercise of this course.")])
    assert (row["student"], row["total"], row["possible"], row["percent"]) == ("x", "0", "0", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1", "'=1", '"=1'])
def test_a_table_computes_nothing(text):
    assert harmless(text)[0] in "'␉␍"
    (row,) = rows([grade(f"{text}/x.ipynb", notes=(text,), problem=text)])
    assert all(row[column][0] in "'␉␍" for column in ("student", "file", "notes", "problem"))


def test_a_hostile_row_is_one_line():
    assert table([hostile()]).count("\n") == 2
    assert "\u202e" not in table([hostile()])


def test_one_misconception_is_one_finding():
    assert kind(wrong("2 of 9 numbers are wrong: got 1, expected 2 at index (0,)")) == UNEXPLAINED
    assert kind(wrong("value 1 of 2: the number is wrong: got 1, expected 2")) == UNEXPLAINED
    sizes = [wrong(f"RuntimeError: sizes {n} and {m} differ", line=3) for n, m in ((2, 3), (4, 1))]
    assert kind(sizes[0]) == kind(sizes[1])
    assert kind(sizes[0]) != kind(wrong("RuntimeError: sizes 2 and 3 differ", line=2))
    assert kind(wrong("the sign is turned")) != kind(wrong("alpha is missing"))


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        ("the sign is turned", "The sign is turned"),
        ("a root is missing", "A root is missing"),
        ("torch.cos takes radians", "torch.cos takes radians"),
        ("x_t is built without roots", "x_t is built without roots"),
        ("task double: write this", "Write this"),
        ("", "This does not hold"),
    ],
)
def test_a_hint_begins_as_a_sentence(hint, sentence):
    assert told(hint, task("double")) == sentence


def test_gradescope_results(tmp_path):
    found = results(partly())
    assert found["score"] == sum(entry["score"] for entry in found["tests"]) == 2
    assert (found["stdout_visibility"], found["output_format"]) == ("hidden", "text")
    passed, failed, hidden = found["tests"][:3]
    assert passed == {
        "name": "1 · The task double: Small numbers.",
        "number": "1.1",
        "score": 1,
        "max_score": 1,
        "status": "passed",
        "output": "",
        "visibility": "visible",
    }
    assert failed["status"] == "failed"
    assert failed["output"] == "NameError: name 'y' is not defined\nin task double, line 3: return x + y"
    assert hidden["name"] == "1 · The task double: also checked when grading, 1"
    assert "The cell of double was there twice" in found["output"]
    write_results(partly(), tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == found


def test_gradescope_is_told_nothing_of_a_hidden_test_but_its_hint():
    double = task("double", wrong("the sign is turned", asked="Random secrets.", hidden=True))
    found = results(grade("a.ipynb", double), hidden="after_published")
    assert "secret" not in json.dumps(found)
    assert [(entry["output"], entry["visibility"]) for entry in found["tests"]] == [
        ("the sign is turned", "after_published")
    ]
    with pytest.raises(ValueError, match="must be one of visible, after_due_date"):
        results(complete(), hidden="sometimes")


def test_gradescope_reads_of_problems_and_of_strangers():
    assert results(broken())["output"].startswith("This submission could not be graded: This is not a notebook")
    assert results(broken())["score"] == 0
    text = json.dumps(results(hostile()), ensure_ascii=False)
    assert "\u202e" not in text
    assert "A" * 401 not in text
