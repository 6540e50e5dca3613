"""Which cells of a notebook that was handed in are graded, and what cannot be read at all."""

import json
import os
import random

import nbformat
import pytest
import targets

from course_lib.grading import ipynb
from course_lib.grading.magics import without_magics
from course_lib.grading.submission import Submission, Unreadable, exercises, key_of, read, setup_cells

MASTER = """\
# %% tags=["bootstrap", "skip-grading"]
import course_lib

# %% tags=["setup"]
import math

# %% [markdown]
# ## 1 · Double

# %% tags=["task"] task="double" difficulty=1 importance=1 minutes=1
def double(x):
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %% tags=["check"]
check("double")

# %% [markdown]
# ## 2 · There and back

# %% tags=["task"] task="turns" difficulty=1 importance=1 minutes=1
def left(x):
    ### BEGIN SOLUTION
    return -x
    ### END SOLUTION


def right(x):
    ### BEGIN SOLUTION
    return 1 * x
    ### END SOLUTION


# %% tags=["check"]
check("turns")

# %% tags=["skip-grading"]
def picture():
    return double(2)
"""

TASK = {"tags": ["task"], "task": "double"}
DOUBLE = "def double(x):\n    return 2 * x"


@pytest.fixture
def master(tmp_path):
    path = tmp_path / "solutions" / "07_turning.py"
    path.parent.mkdir()
    path.write_text(MASTER, encoding="utf-8")
    return path


def cell(source, kind: str = "code", **metadata) -> dict:
    return {"cell_type": kind, "source": source, "metadata": metadata}


def handed_in(folder, *cells, **top):
    path = folder / "my homework (2).ipynb"
    path.write_text(json.dumps({"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, **top}), encoding="utf-8")
    return path


@pytest.fixture
def graded(tmp_path, master):
    """Cells -> what is read of a notebook that has them."""
    return lambda *cells: read(handed_in(tmp_path, *cells), master)


def test_setup_is_the_instructors_and_only_tasks_and_definitions_are_the_students(graded, master):
    found = graded(
        cell("import os", tags=["bootstrap"]),
        cell("import math", tags=["setup"]),
        cell("# 1", "markdown"),
        cell("HALF = 0.5\ndef helper(x):\n    return x"),
        cell(DOUBLE, **TASK),
        cell('check("double")', tags=["check"]),
        cell("def picture(): pass", tags=["skip-grading"]),
        cell("print(double(1))"),
    )
    assert found.key == "turning"
    assert found.cells == (("cell 4", "HALF = 0.5\ndef helper(x):\n    return x"), ("task double", DOUBLE))
    assert found.code == {"double": DOUBLE}
    assert found.notes == ()
    assert setup_cells(master) == (("setup 1", "import math"),)


def test_what_is_left_out_is_told(graded):
    found = graded(
        cell("import math, evil", tags=["setup"]),
        cell(DOUBLE, **TASK),
        cell("def helper(): pass\nprint(helper())"),
        cell("def left(x): return -x", "markdown", task="turns"),
    )
    assert [cell.name for cell in found.cells] == ["task double"]
    assert len(found.notes) == 3
    assert "cell 4 belongs to turns but is not a code cell" in found.notes
    assert any(note.startswith("cell 1, the setup, was changed") for note in found.notes)
    assert any(note.startswith("cell 3 was left out") for note in found.notes)


@pytest.mark.parametrize("tags", [{}, {"tags": "task"}, {"tags": ["skip-grading"]}, {"task": "turns"}, {"task": 5}])
def test_where_metadata_are_lost_or_changed_the_functions_tell(graded, tags):
    found = graded(cell(DOUBLE, **tags))
    assert [cell.name for cell in found.cells] == ["task double"]
    assert found.code == {"double": DOUBLE}


def test_a_task_without_its_function_is_still_that_task(graded):
    found = graded(cell("def duoble(x):\n    return 2 * x", **TASK))
    assert [cell.name for cell in found.cells] == ["task double"]


def test_of_duplicated_cells_the_last_wins_and_a_note_says_so(graded):
    found = graded(cell("def double(x):\n    return 0", **TASK), cell(DOUBLE, **TASK))
    assert found.cells == (("task double", DOUBLE),)
    assert found.notes == ("double stands in the cells 1, 2; what is defined last counts",)
    assert graded(cell("def double(x): return 0", **TASK), cell(DOUBLE)).cells == (("task double", DOUBLE),)


def test_a_cell_of_pictures_does_not_replace_a_task(graded):
    found = graded(cell(DOUBLE, **TASK), cell("def double(x): return 0", tags=["skip-grading"]))
    assert found.code == {"double": DOUBLE}


def test_a_function_on_trial_replaces_only_a_stub(graded):
    trial = "def double(x):\n    return 0\nprint(double(1))"
    found = graded(cell(DOUBLE, **TASK), cell(trial))
    assert found.code == {"double": DOUBLE}
    assert found.notes == ("cell 2 was left out, with what it defines: it does more than define",)
    stub = 'def double(x):\n    raise NotImplementedError("{}")'
    stub = stub.format("task double: write this function, then run its cell and the check below")
    assert graded(cell(stub, **TASK), cell(trial)).code == {"double": trial}
    assert graded(cell(trial)).code == {"double": trial}


def test_a_number_of_a_functions_name_does_not_hide_it(graded):
    found = graded(cell(DOUBLE, **TASK), cell("double = 2"), cell("double = print(3)"), cell("import double"))
    assert found.cells == (("task double", DOUBLE),)
    assert "cell 2 was left out: it gives double another meaning" in found.notes
    assert graded(cell("double = lambda x: 2 * x")).code == {"double": "double = lambda x: 2 * x"}


def test_a_strangers_text_cannot_disturb_a_terminal(graded):
    (note,) = graded(cell(f"%\x1b[2J\x07\n{DOUBLE}", **TASK)).notes
    assert note.endswith(": %?[2J?")


def test_a_task_split_over_two_cells_keeps_both(graded):
    left, right = "def left(x):\n    return -x", "def right(x):\n    return x"
    found = graded(cell(left, task="turns"), cell(right, task="turns"))
    assert found.cells == (("cell 1", left), ("task turns", right))
    assert found.code == {"turns": f"{left}\n\n{right}"}
    both = graded(cell(f"{DOUBLE}\n{left}\n{right}"))
    assert [name for name, _ in both.cells] == ["task double"]
    assert both.code.keys() == {"double", "turns"}


def test_a_syntax_error_costs_only_its_task(graded):
    broken = "def left(x):\n    return ("
    found = graded(cell(DOUBLE, **TASK), cell(broken, task="turns"), cell("x = = 1"))
    assert found.cells == (("task double", DOUBLE), ("task turns", broken))


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("import os", True),
        ("from os import *", True),
        ('"""A text."""\nx: int = 1\ny, z = 1, [2]\npass', True),
        ("Loss = Callable[[Tensor], Tensor]", True),
        ("c = 0.5 * math.log(2 * math.pi)\nt = torch.linspace(0, 1, 5)\nn = len([1])", True),
        ("f = lambda x: print(x)", True),
        ("f = lambda x=print(1): x", False),
        ("class A:\n    pass", True),
        ("@torch.no_grad()\ndef f(): print(1)", True),
        ("async def f(): pass", True),
        ("x = torch.manual_seed(0)", False),
        ("x = open('f')", False),
        ("x.y = 1", False),
        ("x[0] = 1", False),
        ("x += 1", False),
        ("x = (y := 2)", False),
        ("del x", False),
        ("if True: pass", False),
        ("for i in x: pass", False),
        ("1 + 1", False),
        ("raise SystemExit", False),
        ("# nothing", False),
    ],
)
def test_cells_that_only_define(graded, source, runs):
    found = graded(cell(DOUBLE, **TASK), cell(source))
    assert [cell.name for cell in found.cells] == ["task double"] + ["cell 2"] * runs


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
        ("%%time\nx = 1", "# %%time\nx = 1"),
        ("!pip install 'x\ny = 2", "# !pip install 'x\ny = 2"),
        ("!ls \\\n  -l\ny = 2", "# !ls \\\n# -l\ny = 2"),
        ("x = %time f()", "# x = %time f()"),
        ("a, b = !ls", "# a, b = !ls"),
        ("f?\nf.g??\n?f", "# f?\n# f.g??\n# ?f"),
        ("def f():\n    %time g()\n    return 1", "def f():\n    pass  # %time g()\n    return 1"),
        ("try:\n    !ls\nfinally:\n    pass", "try:\n    pass  # !ls\nfinally:\n    pass"),
        ("get_ipython().magic(\n  'x')\ny = 1", "# get_ipython().magic(\n# 'x')\ny = 1"),
        ("x = get_ipython().getoutput('ls')", "# x = get_ipython().getoutput('ls')"),
    ],
)
def test_what_is_not_python_becomes_a_comment_in_its_place(source, kept):
    assert without_magics(source)[0] == kept


@pytest.mark.parametrize(
    "source",
    [
        'x = """\n%time f()\n!ls\n"""',
        "x = '''\n%%bash\n'''",
        "y = (10\n  % 3)",
        "y = 10 \\\n  % 3",
        'x = "\\\n%d" % 3',
        "x %= 3\nx != 2\nx = y % z",
        "# it's\nx = r'\\' % 1\n",
        "if get_ipython():\n    pass",
        'f(\n    "a?"\n)\n',
        "\n\n",
        "",
    ],
)
def test_python_is_left_alone(source):
    assert without_magics(source) == (source, [])


def test_a_note_names_what_was_left_out(graded):
    found = graded(cell("%%time\n" + DOUBLE + "\n!ls", **TASK))
    assert found.cells == (("task double", f"# %%time\n{DOUBLE}\n# !ls"),)
    assert found.notes == ("left out of task double, for it is not Python: %%time, !ls",)
    assert graded(cell(DOUBLE + "\nx = input()", **TASK)).notes == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, master, encoding, line_end):
    text = json.dumps({"cells": [cell(DOUBLE.replace("\n", line_end), **TASK)], "x": float("nan")}, indent=1)
    path = tmp_path / "mine.ipynb"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read(path, master).code == {"double": DOUBLE}


def test_an_old_notebook(tmp_path, master):
    old = {"cell_type": "code", "input": DOUBLE.splitlines(keepends=True), "language": "python", "outputs": []}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps({"nbformat": 3, "worksheets": [{"cells": [old]}]}), encoding="utf-8")
    assert read(path, master).code == {"double": DOUBLE}


def test_odd_cells_are_passed_over_but_counted(graded):
    odd = [None, 5, "code", [], {}, {"cell_type": "code"}, cell(None), cell(7), cell([1, None]), cell("x", "raw")]
    odd += [{"cell_type": "code", "source": "", "metadata": 3}, cell("", tags=3), cell("", tags=[[]], task=[])]
    found = graded(*odd, cell(DOUBLE.splitlines(keepends=True)), cell("s = '\ud800'"))
    assert found.cells == (("task double", DOUBLE), (f"cell {len(odd) + 2}", "s = '?'"))


def content(text):
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


def link(path):
    (path.parent / "other.ipynb").write_text(json.dumps({"cells": [cell(DOUBLE, **TASK)]}))
    path.symlink_to(path.parent / "other.ipynb")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "an empty folder"),
        (lambda path: (path / "inside").mkdir(parents=True), "a folder, a pipe or a device"),
        (os.mkfifo, "a folder, a pipe or a device"),
        (link, "is a link"),
        (content(""), "is empty$"),
        (content(" \n"), "is empty$"),
        (content(b"%PDF-1.4 \xff\xfe"), "not a notebook: it is a PDF"),
        (content(b"PK\x03\x04\x00"), "not a notebook: it is a zip"),
        (content("\n<!DOCTYPE html>"), "not a notebook: it is a web page"),
        (content("{"), "not a notebook"),
        (content("[" * 100_000), "not a notebook"),
        (content('{"cells":' + "[" * 100_000), "not a notebook"),
        (content('{"cells": [' + "1" * 5000 + "]}"), "not a notebook"),
        (content("[]"), "no list of cells"),
        (content('{"cells": "abc"}'), "no list of cells"),
        (content('{"cells": {}}'), "no list of cells"),
        (content('{"worksheets": [1, {"cells": 2}]}'), "it has no cells"),
        (content('{"cells": []}'), "it has no cells"),
        (content('{"cells": [{"cell_type": "code", "source": "x = 1"}]}'), "no cell of any task of the exercise"),
        (content('{"cells": [' + "0," * 6000 + "0]}"), "6,001 cells"),
        (lambda path: path.write_bytes(b" " * (ipynb.LARGEST + 1)), "larger than 20 MB"),
    ],
)
def test_what_cannot_be_graded_says_why(tmp_path, master, make, sentence):
    path = tmp_path / "x.ipynb"
    make(path)
    with pytest.raises(Unreadable, match=sentence):
        read(path, master)
    with pytest.raises(Unreadable):
        key_of(path, exercises(tmp_path))


def test_much_code_is_refused_and_a_long_cell_is_left_out(graded):
    long = cell("#" + "x" * ipynb.LONGEST)
    assert "longer than" in graded(cell(DOUBLE, **TASK), cell(long["source"], task="turns")).notes[0]
    with pytest.raises(Unreadable, match="characters of code"):
        graded(*[cell("#" * ipynb.LONGEST)] * 11, cell(DOUBLE, **TASK))


@pytest.mark.parametrize(
    "deep", ["x" + ".y" * 50_000, "-" * 50_000 + "1", "(" * 50_000, "if x:\n  pass\n" + "elif x: pass\n" * 9000]
)
def test_code_that_is_nested_deeply_costs_only_its_task(graded, deep):
    assert graded(cell(DOUBLE, **TASK), cell(deep, task="turns"), cell(deep)).code["double"] == DOUBLE


def test_which_exercise_a_notebook_is(tmp_path):
    masters = exercises(targets.ROOT)
    assert list(masters) == [
        "introduction",
        "gans",
        "vaes",
        "diffusion",
        "transformers",
        "ssms",
        "applications",
        "ethics",
    ]
    for key, master in masters.items():
        notebook = targets.ROOT / "exercises" / f"{master.stem}.ipynb"
        assert key_of(notebook, masters) == key
        assert list(read(notebook, master).code) == list(targets.tasks(key))
        assert read(notebook, master).notes == ()
        bare = nbformat.read(notebook, as_version=4)
        for part in bare.cells:
            part.metadata = {}
        path = tmp_path / "renamed.ipynb"
        nbformat.write(bare, path)
        assert key_of(path, masters) == key
        assert read(path, master).code == read(notebook, master).code
    with pytest.raises(ValueError, match="NN_KEY"):
        exercises(tmp_path)


ODD = [None, 0, -1, 1e400, "", "x", "\ud800", "%", "def add_noise(", [], [[]], {}, {"a": 1}, True, "code", ["task"]]


def places(value, path=()):
    """All paths into nested lists and dicts."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def bent(notebook: dict, draw: random.Random) -> bytes:
    """The notebook with a few of its values replaced, dropped or doubled."""
    for _ in range(draw.randint(1, 4)):
        *path, last = draw.choice(list(places(notebook))[1:])
        holder = notebook
        for key in path:
            holder = holder[key]
        if draw.random() < 0.7 or not isinstance(holder, list):
            holder[last] = draw.choice(ODD)
        elif draw.random() < 0.5:
            holder.insert(0, holder[last])
        else:
            del holder[last]
        if not list(places(notebook))[1:]:
            break
    return json.dumps(notebook).encode()


def scratched(text: bytes, draw: random.Random) -> bytes:
    """The file with a few of its bytes changed, cut or repeated."""
    for _ in range(draw.randint(1, 6)):
        begin, length = draw.randrange(len(text) + 1), draw.choice([0, 1, 5, 400])
        text = text[:begin] + draw.choice([b"", draw.randbytes(3), b"\\", b'"', text[:length]]) + text[begin + length :]
    return text


def test_no_corruption_raises_anything_else(tmp_path):
    """3,000 times a real exercise with random damage, to its bytes or to its values, is read or unreadable."""
    draw, master = random.Random(0), exercises(targets.ROOT)["diffusion"]
    whole = json.loads((targets.ROOT / "exercises" / "03_diffusion.ipynb").read_text(encoding="utf-8"))
    whole["cells"] = [part for part in whole["cells"] if part["cell_type"] == "code"][:5]
    text, path, found = json.dumps(whole).encode(), tmp_path / "x.ipynb", {Submission: 0, Unreadable: 0}
    for _ in range(1500):
        for damaged in (bent(json.loads(text), draw), scratched(text, draw)):
            path.write_bytes(damaged)
            try:
                submission = read(path, master)
            except Unreadable as reason:
                submission = reason
            found[type(submission)] += 1
            str(submission).encode("utf-8")
    assert min(found.values()) > 100
