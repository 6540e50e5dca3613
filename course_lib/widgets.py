"""Controls that say something on paper too: sliders, and a box to type in.

A control needs a running kernel; a reader on GitHub, on a web page or on paper has none. So a control
here comes in two parts: a static picture, a strip drawn at values across a slider's range, that stays in
the notebook whatever happens, and below it the live control. A picture that was drawn once is kept, so
going back is instant. Plain ipywidgets (7.7 or later), moved by mouse or by keys.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from IPython.display import display
from ipywidgets import HTML, Button, HBox, SelectionSlider, Text, VBox
from torch import Tensor

from course_lib.plotting.images import beside, grid
from course_lib.plotting.picture import WIDTH, Picture, described

Draw = Callable[..., Picture | Tensor]


class Slider:
    """A picture that depends on one or two values: what `slider` returns, shown when it ends a cell.

    Attributes
    ----------
    controls : dict of str to SelectionSlider
        By label; set their `index` to move them from code.
    """

    def __init__(self, draw: Draw, values: Mapping[str, Sequence], shown: int, alt: str) -> None:
        self.draw, self.alt = draw, alt
        self.values = {label: list(row) for label, row in values.items()}
        self._shown = {label: _spread(len(row), n) for (label, row), n in zip(self.values.items(), (shown, 3))}
        self._drawn: dict[tuple[int, ...], Picture | Tensor] = {}
        self.controls = {label: self._control(label) for label in self.values}
        self._live = HTML()

    def _control(self, label: str) -> SelectionSlider:
        shown = self._shown[label]
        options = [(_text(value), i) for i, value in enumerate(self.values[label])]
        control = SelectionSlider(options=options, index=shown[len(shown) // 2], description=label)
        control.style.description_width, control.layout.width = "initial", "32em"
        control.observe(self._show, names="index")
        return control

    @property
    def static(self) -> Picture:
        """The strip for readers without a kernel; with two values a table, the first from left to right."""
        across, *down = self._shown.values()
        spots = [spot[::-1] for spot in product(*down, across)]
        titles, pictures = [self._title(spot) for spot in spots], [self._picture(spot, small=True) for spot in spots]
        columns = len(across) if down else None
        return beside(pictures, columns=columns, titles=titles, alt=f"{self.alt} Shown at {'; '.join(titles)}.")

    @property
    def picture(self) -> Picture:
        """What the control shows at present."""
        return self._picture(tuple(control.index for control in self.controls.values()))

    def prepare(self) -> "Slider":
        """Draw everything beforehand, so that no position makes the reader wait."""
        for spot in product(*(range(len(row)) for row in self.values.values())):
            self._draw(spot)
        return self

    def _picture(self, spot: tuple[int, ...], small: bool = False) -> Picture:
        return _pictured(self._draw(spot), f"{self.alt} ({self._title(spot)})", small)

    def _draw(self, spot: tuple[int, ...]) -> Picture | Tensor:
        if spot not in self._drawn:
            self._drawn[spot] = self.draw(*(row[i] for row, i in zip(self.values.values(), spot, strict=True)))
        return self._drawn[spot]

    def _title(self, spot: tuple[int, ...]) -> str:
        return ", ".join(f"{label} = {_text(row[i])}" for (label, row), i in zip(self.values.items(), spot))

    def _show(self, _=None) -> None:
        try:
            self._live.value = self.picture.html()
        except Exception as error:  # a callback's traceback would vanish in a log
            self._live.value = _alert(f"{type(error).__name__}: {error}")

    def _ipython_display_(self) -> None:
        display(self.static)
        self._show()
        display(VBox([*self.controls.values(), self._live]))


def slider(draw: Draw, values: Mapping[str, Sequence], *, shown: int = 5, alt: str) -> Slider:
    """Let a reader move one or two values and see what changes.

    Parameters
    ----------
    draw : callable
        The values, in the order of `values` -> a Picture, or images (N, C, H, W) or (C, H, W). The
        same values must give the same picture: fix the noise outside.
    values : mapping of str to sequence
        Label -> the values that its slider can take, one or two labels.
    shown : int
        How many values the static strip shows, evenly spread.
    alt : str
        What the picture shows, in words; the values are added.

    Raises
    ------
    ValueError
        If there is no value, more than two labels, or `alt` says nothing.

    Examples
    --------
    >>> import torch
    >>> shades = slider(lambda grey: torch.full((1, 8, 8), grey), {"grey": [-1.0, 0.0, 1.0]}, alt="A grey square.")
    >>> shades.controls["grey"].index = 2
    >>> shades.picture.alt
    'A grey square. (grey = 1)'
    """
    described(alt)
    if not 1 <= len(values) <= 2:
        raise ValueError(f"a slider moves one or two values, got {len(values)}: {', '.join(values) or 'none'}")
    for label, row in values.items():
        if not label or len(row) < 2:
            raise ValueError(f"{label!r} needs a name and at least two values to move between, got {list(row)}")
    if shown < 2:
        raise ValueError(f"the strip must show at least 2 values, got {shown}")
    return Slider(draw, values, shown, alt)


class TextBox:
    """A picture that depends on a line of text: what `text_box` returns, shown when it ends a cell.

    Attributes
    ----------
    box : Text
        Where one types; set its `value` to type from code.
    button : Button
        Draws what stands in the box, as the Enter key does.
    """

    def __init__(self, draw: Callable[[str], Picture | Tensor], text: str, label: str, alt: str) -> None:
        self.draw, self.alt, self._first = draw, alt, text
        self._drawn: dict[str, Picture | Tensor] = {}
        self.box = Text(value=text, description=label, continuous_update=False)  # told of at Enter, not at each letter
        self.box.style.description_width, self.box.layout.width = "initial", "32em"
        self.button, self._live = Button(description="Draw"), HTML()
        self.box.observe(self._show, names="value")
        self.button.on_click(self._show)

    @property
    def static(self) -> Picture:
        """What readers without a kernel see: the picture of the first text."""
        return self._picture(self._first)

    @property
    def picture(self) -> Picture:
        """What belongs to the text in the box; raises what `draw` raises."""
        return self._picture(self.box.value)

    def _picture(self, text: str) -> Picture:
        if text not in self._drawn:
            self._drawn[text] = self.draw(text)
        return _pictured(self._drawn[text], f"{self.alt} ({text})")

    def _show(self, _=None) -> None:
        try:
            self._live.value = self.picture.html()
        except ValueError as error:  # the text's fault, and the message says what is wrong with it
            self._live.value = _alert(str(error))
        except Exception as error:
            self._live.value = _alert(f"{type(error).__name__}: {error}")

    def _ipython_display_(self) -> None:
        display(self.static)
        display(VBox([HBox([self.box, self.button]), self._live]))


def text_box(draw: Callable[[str], Picture | Tensor], text: str, *, label: str = "caption", alt: str) -> TextBox:
    """Let a reader type a line, and draw it.

    Parameters
    ----------
    draw : callable
        Text -> a Picture, or images (N, C, H, W) or (C, H, W). The same text must give the same picture: fix
        the noise outside. A ValueError is shown as its message where the picture would be.
    text : str
        What stands in the box at first; its picture stays in the notebook.
    label : str
        To the left of the box.
    alt : str
        What the picture shows, in words; the text is added.

    Raises
    ------
    ValueError
        If `text` is empty or `alt` says nothing.

    Examples
    --------
    >>> import torch
    >>> lengths = text_box(lambda text: torch.full((1, 8, len(text)), 0.5), "star", alt="A grey bar.")
    >>> lengths.box.value = "circle"
    >>> lengths.picture.alt
    'A grey bar. (circle)'
    """
    described(alt)
    if not text.strip():
        raise ValueError("text must say something: readers without a kernel see its picture, and no other")
    return TextBox(draw, text, label, alt)


def _pictured(drawn: Picture | Tensor, alt: str, small: bool = False) -> Picture:
    if isinstance(drawn, Picture):
        return Picture(drawn.png, alt)
    images = drawn[None] if drawn.ndim == 3 else drawn
    return grid(images, width=(140 if len(images) == 1 else 348) if small else WIDTH, alt=alt)


def _alert(text: str) -> str:
    return f'<p role="alert">{html.escape(text)}</p>'


def _spread(count: int, shown: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, shown)).tolist()})


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
