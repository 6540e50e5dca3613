"""Notebooks: built twice they are the same bytes; each way to be out of date is found; a run leaves a page."""

import base64
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from course_lib import places
from course_lib.notebooks import catalogue, cover, source
from course_lib.notebooks.build import build, problems
from course_lib.notebooks.execute import CellError, execute
from course_lib.notebooks.page import mathml, page
from course_lib.notebooks.run import run

TINY = """\
# %% [markdown]
# # Tiny
# Noise: $x_t = \\alpha x_0 + \\sigma \\varepsilon$
#
# $$\\mathcal L = \\mathbb{E}\\, x^2$$

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.1, "laptop": 2, "gpu": 1})

# %% tags=["nbval-check-output"]
6 * 7

# %%
import matplotlib.pyplot as plt
from tqdm import tqdm

for _ in tqdm(range(3)):
    pass
print("1 %\\r99 %\\rall")
plt.plot([1, 2])

# %%
from ipywidgets import IntSlider

display(IntSlider())
object()
"""

FAILS = '# %% tags=["bootstrap"]\nfirst = "seen before"\nfirst\n\n# %%\nraise KeyError("gone")\n'


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[Path, Path]:
    """A source and the notebook built from it."""
    folder = tmp_path_factory.mktemp("tiny")
    path, out = folder / "00_tiny.py", folder / "00_tiny.ipynb"
    path.write_text(TINY)
    build(path, out, "smoke")
    return path, out


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A checkout of its own, with no notebook in it."""
    (tmp_path / "notebooks" / "src").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/someone/else"\n')
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "course_lib")
    return tmp_path


def written(house: Path, name: str, text: str) -> Path:
    """A notebook in `house`, without outputs."""
    path = house / "notebooks" / "src" / f"{name}.py"
    path.write_text(text)
    nbformat.write(source.read(path), house / "notebooks" / f"{name}.ipynb")
    return path


def test_two_builds_are_the_same_bytes(tiny, tmp_path):
    path, out = tiny
    build(path, tmp_path / "again.ipynb", "smoke")
    assert (tmp_path / "again.ipynb").read_bytes() == out.read_bytes()


def test_a_build_is_up_to_date(tiny):
    assert problems(*tiny) == []


def test_what_differs_from_run_to_run_is_left_out(tiny):
    notebook = nbformat.read(tiny[1], as_version=4)
    text = json.dumps([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    for left_out in ("it/s", "99 %", "stderr", "widget-view", "0x7", "timing", "execution_state"):
        assert left_out not in text
    assert '"all\\n"' in text  # of what is overwritten the last state stays
    assert "image/png" in text


def test_metadata_are_minimal_and_ids_counted(tiny):
    notebook = nbformat.read(tiny[1], as_version=4)
    assert notebook.metadata.course.profile == "smoke"
    assert [cell.id for cell in notebook.cells] == [f"00_tiny-{i:03d}" for i in range(len(notebook.cells))]
    assert {key for cell in notebook.cells for key in cell.metadata} == {"tags"}


def test_badges_and_bootstrap_come_from_the_one_address(house):
    path = house / "00_x.py"
    path.write_text(TINY)
    title, badges, bootstrap, *_ = source.read(path).cells
    assert title.source.startswith("# Tiny")
    assert "colab.research.google.com/github/someone/else/blob/main/notebooks/00_x.ipynb" in badges.source
    assert '%pip install -q "course-lib @ git+https://github.com/someone/else@main"' in bootstrap.source
    assert bootstrap.source.startswith("try:\n    import course_lib\nexcept ModuleNotFoundError:\n")
    assert bootstrap.source.splitlines()[-1].startswith("course_lib.setup(")


@pytest.mark.parametrize("text", ["# %%\n1\n", FAILS + '\n# %% tags=["bootstrap"]\n1\n'])
def test_a_source_needs_one_bootstrap_cell(tmp_path, text):
    path = tmp_path / "00_x.py"
    path.write_text(text)
    with pytest.raises(ValueError, match="exactly one code cell tagged `bootstrap`"):
        source.read(path)


def unexecuted(notebook):
    notebook.cells[3].execution_count = None


def failing(notebook):
    notebook.cells[3].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]


def stale(notebook):
    notebook.metadata.course.code = "0" * 16


def drifted(notebook):
    notebook.cells[0].source += " more"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (unexecuted, "not executed"),
        (failing, "shows an error"),
        (stale, "belong to older code"),
        (drifted, "cells differ"),
    ],
)
def test_check_finds(tiny, tmp_path, damage, told):
    notebook = nbformat.read(tiny[1], as_version=4)
    damage(notebook)
    nbformat.write(notebook, tmp_path / "damaged.ipynb")
    cover.keep(tmp_path / "damaged.ipynb")
    (problem,) = problems(tiny[0], tmp_path / "damaged.ipynb")
    assert told in problem


def test_check_finds_changed_code(tiny, tmp_path):
    changed = tmp_path / "00_tiny.py"
    changed.write_text(TINY.replace("6 * 7", "6 * 8"))
    assert len(problems(changed, tiny[1])) == 2  # drifted, and outputs of older code


def test_check_finds_another_cover(tiny, tmp_path):
    shutil.copy(tiny[1], tmp_path / "00_tiny.ipynb")
    assert ["its copied cover is another" in problem for problem in problems(tiny[0], tmp_path / "00_tiny.ipynb")] == [
        True
    ]
    cover.keep(tmp_path / "00_tiny.ipynb")
    assert problems(tiny[0], tmp_path / "00_tiny.ipynb") == []


def test_the_picture_that_stands_for_a_notebook():
    dark, moving, light = shows(png(10), "dark"), shows(png(10, 200), "moving"), shows(png(200), "light")
    assert cover.cover({"cells": [dark, light]}) == (png(200), "light")
    assert cover.cover({"cells": [moving, light]}) == (png(10, 200), "moving")
    assert cover.cover({"cells": [shows(png(10), "dark", "cover"), moving, light]}) == (png(10), "dark")
    with pytest.raises(ValueError, match="needs a picture"):
        cover.cover({"cells": [{"cell_type": "markdown", "metadata": {}, "source": "words only"}]})


def png(*greys: int) -> bytes:
    """A grey square; several, if it moves."""
    first, *later = [Image.new("L", (4, 4), grey) for grey in greys]
    file = io.BytesIO()
    first.save(file, "PNG", **({"save_all": True, "append_images": later} if later else {}))
    return file.getvalue()


def shows(picture: bytes, alt: str, *tags: str) -> dict:
    output = {"data": {"image/png": base64.b64encode(picture).decode()}, "metadata": {"alt": alt}}
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": [output]}


def test_check_finds_a_missing_notebook(tiny, tmp_path):
    assert "is missing" in problems(tiny[0], tmp_path / "none.ipynb")[0]


def test_a_failing_cell_stops_the_build_and_leaves_what_was_there(tmp_path):
    path, out = tmp_path / "00_x.py", tmp_path / "00_x.ipynb"
    path.write_text(FAILS.replace("first =", "import course_lib; first ="))
    out.write_text("before")
    with pytest.raises(CellError, match="cell 2: KeyError: 'gone'"):
        build(path, out, "smoke")
    assert out.read_text() == "before"


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(ValueError, match="smoke, laptop, gpu"):
        next(execute(nbformat.v4.new_notebook(), tmp_path, "huge"))


def test_a_run_writes_a_page_up_to_the_failing_cell(house):
    written(house, "01_fails", FAILS)
    with pytest.raises(CellError) as caught:
        run("01_fails", "smoke", house / "out")
    assert caught.value.index == 2
    text = (house / "out" / "01_fails.html").read_text()
    assert "seen before" in text
    assert "KeyError" in text


def test_an_interrupted_run_keeps_what_ran(house):
    lines = ["'seen before'", "open('here', 'w').close()", "import time; time.sleep(60)"]
    written(house, "01_slow", '# %% tags=["bootstrap"]\n' + "\n\n# %%\n".join(lines))
    code = (
        "import pathlib, sys; from course_lib import places; places.PACKAGE = pathlib.Path(sys.argv[1]) / 'lib'\n"
        "from course_lib.cli import main; sys.exit(main(['run', '01_slow', '--out', sys.argv[1] + '/out']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(house)], stderr=subprocess.PIPE, text=True)
    while not (house / "out" / "here").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "seen before" in (house / "out" / "01_slow.html").read_text()


def test_the_catalogue(house):
    path = written(house, "01_tiny", TINY)
    assert catalogue.names() == [path.stem]
    assert catalogue.minutes(catalogue.find("01_tiny")) == {"smoke": 0.1, "laptop": 2, "gpu": 1}
    with pytest.raises(ValueError, match="there are: 01_tiny"):
        catalogue.find("02_none")


def test_a_page_needs_no_network(tiny):
    text = page(nbformat.read(tiny[1], as_version=4), "Tiny")
    for outside in ("<script src", "import(", "cdn", 'src="http', "badge", "$"):
        assert outside not in text.split("<body")[1]
    assert "cdnjs" not in text
    assert "data:image/png;base64" in text
    assert text.count("<math") == 2
    assert "<mi>&#x02112;</mi>" in text or "<mi>ℒ</mi>" in text  # \mathcal L


def test_a_page_says_in_words_what_its_pictures_show():
    output = nbformat.v4.new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": "A boot & a shoe"}}
    )
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    text = page(nbformat.v4.new_notebook(cells=[cell]), "Boot")
    assert 'alt="A boot &amp; a shoe"' in text


def test_formulas():
    assert "<mtable" in mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "block")
    assert 'display="block"' in mathml("x", "block")
    assert mathml(r"\begin{nonsense} <", "inline").startswith("<")
