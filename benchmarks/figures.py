"""Two pictures of all contests: how many times as long as ours the others take, and how near the floor each is."""

import io
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from benchmarks.contest import OURS
from course_lib.plotting.paper import colour, paper
from course_lib.plotting.picture import INK, MUTED

WIDTH, LINE, DPI, COLOURS = 760, 15, 88, 64
RATIO, SHARE = "times ours", "of the floor"


def write(folder: Path, results: dict[str, dict]) -> None:
    """`ratios.png` and `floor.png` from the results of the CPU, and the same for each other device."""
    for ending in ("", "_cuda"):
        mine = [result for name, result in results.items() if name.endswith("_cuda") == bool(ending)]
        rows = [row for result in mine for row in result.get("rows", [])]
        for name, key, draw in (("ratios", RATIO, _ratios), ("floor", SHARE, _shares)):
            if chosen := [row for row in rows if key in row]:
                _save(_drawn(chosen, key, draw), folder / f"{name}{ending}.png")


def _save(axes: Axes, path: Path) -> None:
    file = io.BytesIO()
    axes.figure.savefig(file, format="png", dpi=DPI)
    Image.open(file).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def _drawn(rows: list[dict], key: str, draw: Callable[[Axes], None]) -> Axes:
    """A line a row, the median as a dot and the range as a bar, under a line for each contest."""
    height, places, labels = 0, [], []
    for what, group in groupby(rows, key=lambda row: row["what"]):
        labels.append((height, what))
        for row in group:
            height += 1
            places.append((height, row))
        height += 1.6
    with paper((WIDTH, int(60 + LINE * (height + 1))), "", "") as axes:
        beside = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8, "weight": "bold"}
        beside["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        for y, what in labels:
            axes.text(0.01, y, what, color=INK, **beside)
        for y, row in places:
            median, least, most = row[key]
            shade = colour(0) if row["who"].startswith(OURS) else colour(1)
            axes.plot([least, most], [y, y], color=shade, linewidth=1.2)
            axes.plot(median, y, "o", color=shade, markersize=4)
        axes.set_yticks([y for y, _ in places], [row["who"] for _, row in places], fontsize=8)
        axes.set_ylim(height - 0.6, -1)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        draw(axes)
    return axes


def _ratios(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color=MUTED, linewidth=1)
    axes.set_xlabel("times as long as the course's; median and range of the rounds")


def _shares(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_xlabel("the floor's time by the measured one; 1 would be the arithmetic alone")
