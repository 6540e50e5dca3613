"""Things in the plane of two numbers, each named where it stands.

A legend of ten names sends the eye to and fro; a name beside each mark does not. Names are put where they cover
neither a mark nor each other, the nearest of eight places around their mark that is free.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox, BboxBase

from course_lib.plotting.charts import scales
from course_lib.plotting.paper import COLOURS, paper, printed
from course_lib.plotting.picture import MUTED, Picture, described

AROUND = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
SHAPES = "os^DvPX"
RADIUS = 5  # of a mark, in pixels


class Mark(NamedTuple):
    """Where a thing stands, how sure its height is, and to which group it belongs."""

    x: float
    y: float
    low: float
    high: float
    group: str

    @classmethod
    def exact(cls, x: float, y: float, group: str) -> "Mark":
        """A mark without an interval."""
        return cls(x, y, y, y, group)


def marks(
    things: Mapping[str, Mark],
    *,
    xlabel: str,
    ylabel: str,
    log: Literal["", "x", "y", "xy"] = "",
    joined: Sequence[Sequence[str]] = (),
    levels: Mapping[str, float] | None = None,
    size: tuple[int, int] = (700, 420),
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Named marks with intervals, coloured by group.

    Parameters
    ----------
    things : mapping of str to Mark
        Name -> where it stands.
    xlabel, ylabel : str
    log : str
        Which axes are logarithmic.
    joined : sequence of sequences of str
        Names whose marks a thin line joins.
    levels : mapping of str to float, optional
        Name -> height of a dotted line.
    size : (int, int)
        Width and height in pixels.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If there is nothing to draw, a mark cannot stand on the axes, or `alt` says nothing.
    """
    described(alt)
    groups = list(dict.fromkeys(mark.group for mark in things.values()))
    if not things or len(groups) > len(COLOURS):
        raise ValueError(f"need at least one mark and at most {len(COLOURS)} groups, got {len(things)} and {groups}")
    for name, mark in things.items():
        if not np.isfinite(mark[:4]).all() or ("x" in log and mark.x <= 0) or ("y" in log and mark.y <= 0):
            raise ValueError(f"{name!r} cannot stand at ({mark.x}, {mark.y}): a logarithmic axis begins above 0")
    with paper(size, xlabel, ylabel) as axes:
        scales(axes, log)
        for names in joined:
            axes.plot(*zip(*[things[name][:2] for name in names]), color="#bbbbbb", linewidth=1, zorder=1)
        for height in (levels or {}).values():
            axes.axhline(height, color=MUTED, linestyle=":", linewidth=1.4)
        for mark in things.values():
            _draw(axes, mark, groups.index(mark.group), "y" in log)
        _legend(axes, groups)
        axes.margins(x=0.12, y=0.1)
        _name(axes, things, groups, levels or {})
        return printed(axes, caption, alt)


def _draw(axes: Axes, mark: Mark, group: int, log: bool) -> None:
    low = max(mark.low, mark.y / 10) if log else mark.low  # an interval that reaches 0 would never end
    kind = {"color": COLOURS[group], "marker": SHAPES[group], "markersize": 7, "elinewidth": 1.4, "capsize": 3}
    axes.errorbar(mark.x, mark.y, [[mark.y - low], [mark.high - mark.y]], zorder=3, **kind)


def _legend(axes: Axes, groups: Sequence[str]) -> None:
    kind = {"linestyle": "", "markersize": 7}
    keys = [Line2D([], [], color=COLOURS[i], marker=SHAPES[i], label=name, **kind) for i, name in enumerate(groups)]
    axes.figure.legend(handles=keys, loc="outside upper center", ncols=len(groups), frameon=False, handletextpad=0.1)


def _name(axes: Axes, things: Mapping[str, Mark], groups: Sequence[str], levels: Mapping[str, float]) -> None:
    axes.figure.canvas.draw()  # settles the scales
    pixels = {name: axes.transData.transform((mark.x, mark.y)) for name, mark in things.items()}
    taken = [Bbox.from_bounds(x - RADIUS, y - RADIUS, 2 * RADIUS, 2 * RADIUS) for x, y in pixels.values()]
    for name, height in levels.items():
        text = axes.text(0.005, height, name, color=MUTED, ha="left", va="bottom", transform=axes.get_yaxis_transform())
        taken.append(text.get_window_extent())
    for name, (x, y) in sorted(pixels.items(), key=lambda item: item[1][1]):
        text = axes.text(0, 0, name, color=COLOURS[groups.index(things[name].group)], transform=None)
        width, height = text.get_window_extent().size
        box = _free(x, y, width, height, taken, axes.bbox)
        text.set_position((box.x0, box.y0 + height * 0.15))
        taken.append(box)


def _free(x: float, y: float, width: float, height: float, taken: Sequence[BboxBase], within: BboxBase) -> Bbox:
    """The first place around (x, y), nearest ring first, that meets nothing; else the one that meets least."""

    def place(dx: int, dy: int, far: float) -> Bbox:
        left = x + dx * (RADIUS + far) - (0.5 - dx / 2) * width
        return Bbox.from_bounds(left, y + dy * (RADIUS + far) - (0.5 - dy / 2) * height, width, height)

    def met(box: Bbox) -> float:
        parts = [Bbox.intersection(box, other) for other in taken]
        inside = Bbox.intersection(box, within)
        outside = box.width * box.height - (inside.width * inside.height if inside else 0)
        return outside + sum(part.width * part.height for part in parts if part)

    return min((place(dx, dy, far) for far in (3, 12, 24) for dx, dy in AROUND), key=lambda box: round(met(box)))
