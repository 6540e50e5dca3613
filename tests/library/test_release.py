"""What a student gets, and what never."""

from pathlib import Path

import nbformat
import pytest

from course_lib.grading.release import (
    BEGIN,
    END,
    hidden_lines,
    refuse_leaks,
    solution,
    solution_lines,
    stub,
    student_edition,
)

MASTER = '''\
# %% tags=["bootstrap"]
import course_lib

# %% [markdown]
# ## 1 · Double
# Twice as much.

# %% tags=["task"] task="double" difficulty=2 importance=5 minutes=5
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x * 1.0
    ### END SOLUTION


# %% tags=["check"]
check("double")

# %% tags=["skip-grading"]
double(2)
'''


def edition(folder: Path, text: str = MASTER) -> nbformat.NotebookNode:
    source = folder / "solutions" / "09_double.py"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text, encoding="utf-8")
    return student_edition(source)


def test_the_student_edition(tmp_path):
    notebook = edition(tmp_path)
    (task,) = (cell for cell in notebook.cells if cell.get("metadata", {}).get("task"))
    assert task.source.endswith(
        'raise NotImplementedError("task double: write this function, then run its cell and the check below")'
    )
    assert task.id == "task-double"
    assert task.metadata == {"tags": ["task"], "task": "double", "difficulty": 2, "importance": 5, "minutes": 5}
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "## 1 · Double\n\n`double` · difficulty 🔴🔴⚪⚪⚪ · importance 🔵🔵🔵🔵🔵 · about 5 minutes" in text
    assert "colab.research.google.com" in text
    assert "%pip install" in text
    assert "x + x" not in text
    assert notebook == edition(tmp_path)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("    ### END SOLUTION\n", "", "without ### END SOLUTION"),
        ("    ### BEGIN SOLUTION\n", "", "unbalanced ### END"),
        ("    return x + x * 1.0\n", "    ### BEGIN SOLUTION\n", "unbalanced ### BEGIN"),
        ("    return x + x * 1.0\n", "", "has no solution"),
        ("# Twice as much.", "# Write `return x + x * 1.0`.", "a line of a solution would be given"),
        ("double(2)", "### BEGIN SOLUTION\ndouble(2)\n### END SOLUTION", "outside of a task"),
        (' task="double"', "", "lacks task"),
        (" minutes=5", "", "lacks minutes"),
        ("difficulty=2", "difficulty=6", "must be 1 to 5"),
        ('check("double")', 'check("half")', "without a cell that checks them: double"),
        ("# ## 1 · Double", "# Double", "begins with a heading"),
        ('tags=["bootstrap"]', "", "bootstrap"),
    ],
)
def test_a_faulty_master_is_refused(tmp_path, old, new, sentence):
    assert old in MASTER
    with pytest.raises(ValueError, match=sentence):
        edition(tmp_path, MASTER.replace(old, new))


def test_two_tasks_of_one_name_are_refused(tmp_path):
    begin, end = MASTER.index("# %% [markdown]"), MASTER.index('# %% tags=["check"]')
    with pytest.raises(ValueError, match="one name"):
        edition(tmp_path, MASTER[:end] + MASTER[begin:end] + MASTER[end:])


def test_a_hidden_test_in_the_text_is_refused(tmp_path):
    hidden = tmp_path / "tests" / "hidden" / "test_double.py"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("def test_double(student):\n    expect(student.double(21), 42, {})\n", encoding="utf-8")
    edition(tmp_path)
    with pytest.raises(ValueError, match="a line of a hidden test"):
        edition(tmp_path, MASTER.replace("Twice as much.", "We ask: expect(student.double(21), 42, {})"))


def test_solution_lines_and_stub():
    code = "a = 1\n### BEGIN SOLUTION\nb = 2\n### END SOLUTION\nc = 3\n### BEGIN SOLUTION\nd = 4\n### END SOLUTION"
    assert list(solution(code)) == ["b = 2", "d = 4"]
    assert stub(code, "t").count("raise NotImplementedError") == 2
    assert "b = 2" not in stub(code, "t")


def test_a_leak_is_found_whatever_its_spaces_and_quotes():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell('x  =  f("a long name")')])
    with pytest.raises(ValueError, match="would be given"):
        refuse_leaks(notebook, ['    x = f("a long name")'], "a solution")
    refuse_leaks(notebook, ["x = f(b, a long name)", "x ="], "a solution")


def test_a_leak_is_found_in_escaped_text_names_and_metadata():
    line = r'    print("a\tb", r"\d\n")'
    places = [
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line)]),
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", metadata={"x": [{line.strip(): 1}]})]),
        f"1. Write {line}",
    ]
    for place in places:
        with pytest.raises(ValueError, match="would be given"):
            refuse_leaks(place, [line], "a solution")


def test_lines_that_give_away(tmp_path):
    source = tmp_path / "solutions" / "09_double.py"
    for name in ("test_double.py", "test_double_more.py", "test_other.py"):
        path = tmp_path / "tests" / "hidden" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"import math\n\ndef test():\n    short = 1\n    found = '{name} in a longer line'\n")
    assert hidden_lines(source, tmp_path / "tests") == [
        "found = 'test_double.py in a longer line'",
        "found = 'test_double_more.py in a longer line'",
    ]
    master = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"a = 1\n{BEGIN}\nb = {n}\n{END}") for n in (2, 3)]
    )
    assert solution_lines(master) == ["b = 2", "b = 3"]
