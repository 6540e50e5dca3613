"""The paper that charts are drawn on.

Okabe and Ito's colours, which colour-blind readers can tell apart. Figures are built without pyplot:
no global state, no backend to choose.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_lib.plotting.picture import INK, MUTED, Picture, captioned, encode

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f1f1f")
DPI = 88
STYLE = {
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.spines.right": False, "axes.spines.top": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e4e4e4", "grid.linewidth": 0.8, "font.size": 10,
    "font.family": "DejaVu Sans", "lines.linewidth": 1.8, "xtick.color": MUTED, "ytick.color": MUTED,
    "figure.facecolor": "white", "axes.facecolor": "white",
}  # fmt: skip


@contextmanager
def paper(size: tuple[int, int], xlabel: str, ylabel: str) -> Iterator[Axes]:
    """Axes on a sheet of `size` pixels, drawn on in the course's style."""
    with matplotlib.rc_context(STYLE):
        figure = Figure((size[0] / DPI, size[1] / DPI), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if len(ylabel) <= 2:  # a letter alone is read upright
            axes.yaxis.label.set(rotation=0, ha="right", va="center")
        yield axes


def printed(axes: Axes, caption: str | None, alt: str) -> Picture:
    """The sheet as a picture."""
    file = io.BytesIO()
    axes.figure.savefig(file, format="png", dpi=DPI)
    return encode(captioned(Image.open(file).convert("RGB"), caption), alt)


def colour(i: int) -> str:
    """The i-th colour; they come again after seven."""
    return COLOURS[i % len(COLOURS)]
