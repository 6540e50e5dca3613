"""Curves, each named at its end.

No legend has to be matched by colour: the name stands where the line ends, in the line's colour, and
the dashes differ as well.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter
from torch import Tensor

from course_lib.plotting.paper import colour, paper, printed
from course_lib.plotting.picture import MUTED, Picture, described

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))

Values = Tensor | np.ndarray | Sequence[float | int]


def curves(
    series: Mapping[str, Values],
    *,
    x: Values | None = None,
    xlabel: str,
    ylabel: str,
    log: Literal["", "x", "y", "xy"] = "",
    levels: Mapping[str, float] | None = None,
    size: tuple[int, int] = (640, 330),
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Lines with their names at their ends.

    Parameters
    ----------
    series : mapping of str to sequence
        Name -> values, all of one length.
    x : sequence, optional
        Where the values stand; 0, 1, 2, ... if not given.
    xlabel, ylabel : str
    log : str
        Which axes are logarithmic.
    levels : mapping of str to float, optional
        Name -> height of a dotted line: a floor, a known answer.
    size : (int, int)
        Width and height in pixels.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If there is nothing to draw, lengths differ, or `alt` says nothing.
    """
    described(alt)
    if not series:
        raise ValueError("series is empty: there is nothing to draw")
    lines = {name: _row(values, name) for name, values in series.items()}
    across = np.arange(len(next(iter(lines.values())))) if x is None else _row(x, "x")
    for name, row in lines.items():
        if len(row) != len(across):
            raise ValueError(f"{name!r} has {len(row)} values for {len(across)} places on the x axis")
    with paper(size, xlabel, ylabel) as axes:
        scales(axes, log)
        for i, (name, row) in enumerate(lines.items()):
            marker = "o" if len(row) <= 24 else None
            axes.plot(across, row, color=colour(i), linestyle=DASHES[i % len(DASHES)], marker=marker, markersize=4)
        for height in (levels or {}).values():
            axes.axhline(height, color=MUTED, linestyle=":", linewidth=1.4)
        if "x" in log and len(across) <= 12:
            _tick_each(axes, across)
        _name_ends(axes, lines, levels or {})
        return printed(axes, caption, alt)


def scales(axes: Axes, log: str) -> None:
    """Make the axes named in `log` logarithmic, with plain numbers at their ticks."""
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if name in log:
            axes.set(**{f"{name}scale": "log"})
            axis.set_major_formatter(_Plain())
            axis.set_minor_formatter(_Plain())


class _Plain(Formatter):
    """Labels as many ticks between powers of ten as there is room for, as 0.06 rather than 6 times 10 to the -2."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        low, high = sorted(self.axis.get_view_interval())
        decades = math.log10(high / low)
        shown = "123456789" if decades < 0.4 else "12346" if decades < 1.2 else "125" if decades < 2 else "1"
        return f"{x:g}" if f"{x:e}"[0] in shown else ""


def _tick_each(axes: Axes, across: np.ndarray) -> None:
    axes.set_xticks(across, [f"{value:g}" if value % 1 == 0 else f"{value:.3g}" for value in across])
    axes.set_xticks([], minor=True)


def _name_ends(axes: Axes, lines: Mapping[str, np.ndarray], levels: Mapping[str, float]) -> None:
    # Names at the right border, at the height where each line ends, moved apart where they would touch.
    ends = [(name, row[np.isfinite(row)][-1], colour(i)) for i, (name, row) in enumerate(lines.items())]
    ends += [(name, height, MUTED) for name, height in levels.items()]
    axes.figure.canvas.draw()  # settles the scales
    bottom, top = axes.bbox.y0, axes.bbox.y1
    to_share = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_share.transform((axes.get_xlim()[1], end))[1] for _, end, _ in ends])
    for (name, _, ink), height in zip(ends, _apart(heights, 17 / (top - bottom)), strict=True):
        axes.text(1.015, height, name, color=ink, va="center", transform=axes.transAxes)


def _apart(heights: np.ndarray, gap: float) -> np.ndarray:
    order, placed = heights.argsort(), heights.clip(0, 1)
    for _ in range(50):
        for low, high in zip(order, order[1:]):
            if (lack := gap - (placed[high] - placed[low])) > 1e-6:
                placed[low], placed[high] = placed[low] - lack / 2, placed[high] + lack / 2
    return placed


def _row(values: Values, name: str) -> np.ndarray:
    row = np.asarray(torch.as_tensor(values).detach().cpu().double())
    if row.ndim != 1 or not np.isfinite(row).any():
        raise ValueError(f"{name!r} must be a row of numbers, at least one of them finite, got shape {row.shape}")
    return row
