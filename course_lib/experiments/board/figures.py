"""The board as two pictures: quality against what an image costs, and against what the model cost."""

from collections.abc import Sequence

from course_lib.experiments.board.rows import Row, rows
from course_lib.plotting import Picture
from course_lib.plotting.marks import Mark, marks

MODULES = ("reference", "GANs", "VAEs", "diffusion", "transformers", "SSMs")  # a family keeps its colour
YLABEL = "excess Fréchet distance"


def figure(cost: str = "drawing", found: Sequence[Row] | None = None) -> Picture:
    """Excess over the floor, with its interval, against a cost; down and left is better.

    Parameters
    ----------
    cost : str
        "drawing": milliseconds an image. "training": joules of all trainings.
    found : sequence of Row, optional
        `rows()` if not given.

    Raises
    ------
    ValueError
        If the cost is neither.
    """
    found = sorted(rows() if found is None else found, key=lambda row: MODULES.index(row.family))
    if cost not in ("drawing", "training"):
        raise ValueError(f"cost must be drawing or training, got {cost!r}")
    return _drawing(found) if cost == "drawing" else _training(found)


def _drawing(found: Sequence[Row]) -> Picture:
    things = {row.name: _mark(row, row.milliseconds) for row in found if row.evaluations is not None}
    flow = [row.name for row in sorted(found, key=lambda row: row.milliseconds) if row.name.startswith("flow")]
    alt = "Excess Fréchet distance against milliseconds an image, both logarithmic. " + _in_words(found, "ms", things)
    joined = [flow] if flow else []
    return marks(
        things, xlabel="milliseconds an image", ylabel=YLABEL, log="xy", joined=joined, levels=_levels(found), alt=alt
    )


def _training(found: Sequence[Row]) -> Picture:
    things = {row.name: _mark(row, row.training_joules / 1e3) for row in found if row.training_joules is not None}
    alt = "Excess Fréchet distance against kilojoules of training, both logarithmic. " + _in_words(found, "kJ", things)
    return marks(things, xlabel="kilojoules of training", ylabel=YLABEL, log="xy", levels=_levels(found), alt=alt)


def _mark(row: Row, cost: float) -> Mark:
    return Mark(cost, row.excess.mean, row.excess.low, row.excess.high, row.family)


def _levels(found: Sequence[Row]) -> dict[str, float]:
    return {row.name: row.excess.mean for row in found if row.family == "reference"}


def _in_words(found: Sequence[Row], unit: str, things: dict[str, Mark]) -> str:
    said = [f"{name} {mark.y:.2g} at {mark.x:.2g} {unit}" for name, mark in things.items()]
    return "; ".join(said + [f"{name} {height:.2g}" for name, height in _levels(found).items()]) + "."
