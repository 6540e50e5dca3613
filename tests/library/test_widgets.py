"""Sliders and a text box, moved from code as a reader moves them by hand."""

import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from ipywidgets import VBox
from nbclient import NotebookClient

from course_lib import widgets
from course_lib.plotting import Picture, curves
from course_lib.widgets import slider, text_box

ALT = "A grey square."


def square(grey: float) -> torch.Tensor:
    return torch.full((1, 8, 8), float(grey))


@pytest.fixture
def shown(monkeypatch):
    """Show a slider; return the words of its static strip."""

    def show(changing) -> str:
        outputs = []
        monkeypatch.setattr(widgets, "display", outputs.append)
        changing._ipython_display_()
        static, live = outputs
        assert isinstance(static, Picture)
        assert isinstance(live, VBox)
        return static.alt

    return show


def grey_of(picture) -> int:
    return int(np.asarray(picture.image)[90, 90, 0])


def test_moving_the_control_changes_the_picture(shown):
    changing = slider(square, {"grey": [-1, 0, 1]}, alt=ALT)
    shown(changing)
    control = changing.controls["grey"]
    assert control.description == "grey"
    assert control.index == 1
    before = changing._live.value
    control.index = 2
    assert changing._live.value != before
    assert grey_of(changing.picture) == 255
    assert BeautifulSoup(changing._live.value, "html.parser").img["alt"] == "A grey square. (grey = 1)"
    control.index = 1
    assert changing._live.value == before


def test_the_strip_stands_without_a_kernel(shown):
    changing = slider(square, {"grey": np.linspace(-1, 1, 41).tolist()}, shown=5, alt=ALT)
    words = shown(changing)
    assert words == "A grey square. Shown at grey = -1; grey = -0.5; grey = 0; grey = 0.5; grey = 1."
    pixels = np.asarray(changing.static.image)[100, :, 0]
    assert set(pixels) >= {0, 64, 128, 191, 255}


def test_two_values_make_a_table(shown):
    changing = slider(lambda a, b: square(a * b), {"a": [-1, 0, 1], "b": [0.0, 1.0]}, shown=3, alt=ALT)
    words = shown(changing)
    assert words.startswith("A grey square. Shown at a = -1, b = 0; a = 0, b = 0; a = 1, b = 0; a = -1, b = 1")
    changing.controls["a"].index, changing.controls["b"].index = 2, 1
    assert grey_of(changing.picture) == 255
    changing.controls["b"].index = 0
    assert grey_of(changing.picture) == 128


def test_nothing_is_drawn_twice(shown):
    calls = []
    changing = slider(lambda grey: calls.append(grey) or square(grey), {"grey": [-1, 0, 1]}, alt=ALT)
    assert calls == []
    changing.prepare()
    shown(changing)
    changing.controls["grey"].index = 0
    assert calls == [-1, 0, 1]


def test_pictures_and_names_as_values():
    def draw(name):
        return curves({name: [1, 2, 3]}, xlabel="x", ylabel="y", size=(200, 150), alt="Any line.")

    changing = slider(draw, {"solver": ["Euler", "Heun"]}, alt="A rising line.")
    changing.controls["solver"].index = 0
    assert changing.picture.alt == "A rising line. (solver = Euler)"


def test_an_error_is_said_where_the_picture_would_be(shown):
    def draw(n):
        if n == 3:
            raise RuntimeError("n < 3")
        return square(0)

    changing = slider(draw, {"n": [1, 2, 3, 4, 5, 6]}, shown=2, alt=ALT)
    shown(changing)
    changing.controls["n"].index = 2
    assert "RuntimeError: n &lt; 3" in changing._live.value
    changing.controls["n"].index = 3
    assert "<img" in changing._live.value


@pytest.mark.parametrize(
    ("values", "options", "reason"),
    [
        ({}, {}, "one or two"),
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, {}, "one or two"),
        ({"a": [1]}, {}, "at least two"),
        ({"": [1, 2]}, {}, "name"),
        ({"a": [1, 2]}, {"shown": 1}, "at least 2"),
        ({"a": [1, 2]}, {"alt": ""}, "alt"),
    ],
)
def test_slider_refuses(values, options, reason):
    with pytest.raises(ValueError, match=reason):
        slider(square, values, **({"alt": ALT} | options))


SHADES = {"black": -1.0, "grey": 0.0, "white": 1.0}


def shade(text: str) -> torch.Tensor:
    if text not in SHADES:
        raise ValueError(f"no shade is called <{text}>; there are: {', '.join(SHADES)}")
    return square(SHADES[text])


def test_typing_draws(shown):
    typed = text_box(shade, "grey", label="shade", alt=ALT)
    assert shown(typed) == "A grey square. (grey)"
    assert typed.box.description == "shade"
    assert not typed.box.continuous_update
    typed.box.value = "white"
    assert grey_of(typed.picture) == 255
    assert BeautifulSoup(typed._live.value, "html.parser").img["alt"] == "A grey square. (white)"
    assert grey_of(typed.static) == 128


def test_what_cannot_be_drawn_is_said(shown):
    typed = text_box(shade, "grey", alt=ALT)
    shown(typed)
    typed.box.value = "mauve"
    said = BeautifulSoup(typed._live.value, "html.parser").p
    assert said["role"] == "alert"
    assert said.text == "no shade is called <mauve>; there are: black, grey, white"
    typed.box.value = "black"
    assert "<img" in typed._live.value


def test_a_fault_of_the_drawing_is_named(shown):
    typed = text_box(lambda text: square(1 / (len(text) - 5)), "grey", alt=ALT)
    shown(typed)
    typed.box.value = "black"
    assert "ZeroDivisionError" in typed._live.value


def test_the_button_draws_what_stands_in_the_box(shown):
    calls = []
    typed = text_box(lambda text: calls.append(text) or shade(text), "white", alt=ALT)
    shown(typed)
    typed.button.click()
    assert "<img" in typed._live.value
    typed.button.click()
    assert calls == ["white"]


@pytest.mark.parametrize(("text", "alt", "reason"), [(" ", ALT, "text must say"), ("grey", "", "alt")])
def test_text_box_refuses(text, alt, reason):
    with pytest.raises(ValueError, match=reason):
        text_box(shade, text, alt=alt)


ALONE = {
    "slider": 'slider(lambda grey: torch.full((1, 8, 8), grey), {"grey": [-1.0, 0.0, 1.0]}, alt="A grey square.")',
    "text_box": 'text_box(lambda text: torch.zeros(1, 8, len(text)), "grey", alt="A grey square.")',
}


@pytest.mark.parametrize("control", ALONE)
def test_a_notebook_run_without_a_reader_keeps_the_picture(control):
    code = f"""
    import torch
    from course_lib.widgets import {control}
    {ALONE[control]}
    """
    cell = nbformat.v4.new_code_cell("\n".join(line.strip() for line in code.strip().splitlines()))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    kinds = [set(output.data) for output in cell.outputs if output.output_type == "display_data"]
    assert "image/png" in kinds[0]
    assert "application/vnd.jupyter.widget-view+json" in kinds[1]
    assert cell.outputs[0].metadata["image/png"]["alt"].startswith("A grey square.")
