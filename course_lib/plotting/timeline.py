"""A timeline: what came when, a lane a tradition.

Names stand above their dots, as low as they can without touching one another.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from course_lib.plotting.paper import colour, paper, printed
from course_lib.plotting.picture import MUTED, Picture, described

ROW = 15  # pixels that a line of names is high
ROOM = 5  # pixels between two names

Event = tuple[float, str]


def timeline(
    lanes: Mapping[str, Sequence[Event]],
    *,
    xlabel: str = "year",
    width: int = 760,
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Events on parallel lines.

    Parameters
    ----------
    lanes : mapping of str to sequence of (float, str)
        Name of the lane -> when something came, a year with its fraction, and what it is called.
    xlabel : str
    width : int
        In pixels; the height follows from how close the names are.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If there is no lane, a lane is empty, or `alt` says nothing.
    """
    described(alt)
    if not lanes or not all(lanes.values()):
        raise ValueError("each lane needs at least one event, and there must be a lane")
    years = [year for events in lanes.values() for year, _ in events]
    rows = [rows_of_names(sorted(events), min(years), max(years), width) for events in lanes.values()]
    heights = [max(row) + 1.9 for row in rows]
    with paper((width, int(ROW * sum(heights)) + 56), xlabel, "") as axes:
        axes.set(xlim=(min(years) - 0.6, max(years) + 0.6), ylim=(sum(heights), 0), yticks=[])
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xticks(range(int(min(years)), int(max(years)) + 2))
        bottom = 0.0
        for i, ((name, events), row, height) in enumerate(zip(lanes.items(), rows, heights)):
            bottom += height
            _lane(axes, name, sorted(events), row, bottom - 0.4, colour(i))
        return printed(axes, caption, alt)


def rows_of_names(events: Sequence[Event], first: float, last: float, width: int) -> list[int]:
    """For each of a lane's events, in order, the row above it in which its name finds room, 0 the lowest."""
    scale, ends, rows = 0.88 * width / (last - first + 1.2), [], []
    for year, text in events:
        half, centre = 3.2 * len(text) + ROOM, scale * (year - first)
        row = next((i for i, end in enumerate(ends) if end < centre - half), len(ends))
        ends[row : row + 1] = [centre + half]
        rows.append(row)
    return rows


def _lane(axes: Axes, name: str, events: Sequence[Event], rows: Sequence[int], y: float, ink: str) -> None:
    axes.axhline(y, color=ink, linewidth=1.2, alpha=0.45)
    axes.text(-0.01, y, name, color=ink, ha="right", va="center", weight="bold", transform=axes.get_yaxis_transform())
    for (year, text), row in zip(events, rows):
        axes.plot([year, year], [y, y - 0.55 - row], color=MUTED, linewidth=0.6, zorder=1)
        axes.plot(year, y, "o", color=ink, markersize=5)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(year, y - 0.5 - row, text, ha="center", va="bottom", fontsize=8.5, bbox=box)
