"""JupyterLab as a student uses it: run a notebook, move a slider with keys and mouse, check an answer."""

import re

import nbformat
import pytest
import targets
from browser.lab import lab, run_all

SLIDER = """\
import torch

from course_lib.widgets import slider

greys = [-1.0, -0.5, 0.0, 0.5, 1.0]
slider(lambda grey: torch.full((1, 8, 8), grey), {"grey": greys}, alt="A square between black and white")"""

SHAPED = "alpha[:, None, None, None], sigma[:, None, None, None]"
LIVE = ".jp-OutputArea .jupyter-widgets img"
OTHER = f"before => document.querySelector('{LIVE}')?.getAttribute('src') !== before"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A slider, and a task of an exercise answered wrongly and then rightly."""
    right = targets.tasks("diffusion")["add_noise"]
    wrong = right.replace(SHAPED, "alpha, sigma")
    assert wrong != right
    opening = "from torch import Tensor\nfrom course_lib.grading.check import check\n\n"
    codes = [SLIDER, f"{opening}{wrong}", 'check("add_noise")', right, 'check("add_noise")']
    path = tmp_path_factory.mktemp("lab") / "small.ipynb"
    cells = [nbformat.v4.new_code_cell(code, id=f"small-{i}") for i, code in enumerate(codes)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def test_a_student_runs_slides_and_checks(notebook, watched):
    pytest.importorskip("jupyterlab", reason="the extra lab is not installed")
    with lab(notebook.parent) as address:
        watched.page.goto(address.format(notebook.name))
        run_all(watched)
        _slide(watched)
        _check(watched.page)
        assert watched.errors == []
        assert watched.outside == []


def _slide(watched) -> None:
    page = watched.page
    handle, live = page.locator(".widget-slider .noUi-handle").first, page.locator(LIVE).first
    live.wait_for()
    middle = live.get_attribute("src")
    assert "grey = 0)" in live.get_attribute("alt")

    handle.focus()
    page.keyboard.press("ArrowRight")
    watched.wait(OTHER, middle)
    assert "grey = 0.5)" in live.get_attribute("alt")

    lighter, knob, track = live.get_attribute("src"), handle.bounding_box(), page.locator(".noUi-target").bounding_box()
    height = knob["y"] + knob["height"] / 2
    page.mouse.move(knob["x"] + knob["width"] / 2, height)
    page.mouse.down()
    page.mouse.move(track["x"], height, steps=8)
    page.mouse.up()
    watched.wait(OTHER, lighter)
    watched.wait(f"() => document.querySelector('{LIVE}').alt.includes('grey = -1)')")


def _check(page) -> None:
    wrong, right = page.locator(".jp-CodeCell").nth(2), page.locator(".jp-CodeCell").nth(4)
    assert re.search(r"✗.*\n.*matched with the width", wrong.inner_text())
    assert re.search(r"\d of \d public checks passed\.", wrong.inner_text())
    assert "Passed the public checks" in right.inner_text()
    assert "✗" not in right.inner_text()
