"""How sure are we after five seeds?

Two ways of training differ by a point, and so do two seeds of one way. Repeat, and say in which interval the mean of
endlessly many repeats is expected to lie:

    mean +- t s / sqrt(n),    s the standard deviation of the n values, t the quantile of Student's distribution

Where both ways ran from the same seeds, on the same labels, take the interval of their differences: what a seed does
to both drops out.

Student 1908, The Probable Error of a Mean.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Interval(NamedTuple):
    """A mean and how far it may be off."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.high - self.mean:.3f}"


def interval(values: Sequence[float] | Tensor, level: float = 0.95) -> Interval:
    """The mean of repeats, with the interval that covers the true mean in a share `level` of all such experiments.

    Parameters
    ----------
    values : sequence of float, (n,)
        At least two; independent, and not too far from normal.
    level : float in (0, 1)

    Raises
    ------
    ValueError
        If there is but one value, one is not finite, or the level is out of range.

    Examples
    --------
    >>> str(interval([0.70, 0.72, 0.74]))
    '0.720 ± 0.050'
    """
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.ndim != 1 or len(values) < 2 or not values.isfinite().all() or not 0 < level < 1:
        raise ValueError(
            f"need two or more finite values (n,) and a level in (0, 1), got {values.tolist()} and {level}"
        )
    mean = values.mean().item()
    half = student(level, len(values) - 1) * values.std().item() / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def student(level: float, freedom: int, points: int = 200_001) -> float:
    """The t with P(|T| <= t) = level for Student's T with so many degrees of freedom.

    With x = sqrt(freedom) tan(angle), the density becomes a power of the cosine on a quarter of a circle, which is
    summed up and read backwards.
    """
    angle = torch.linspace(0, math.pi / 2, points, dtype=torch.float64)
    below = torch.cumulative_trapezoid(angle.cos() ** (freedom - 1), angle)
    place = int(torch.searchsorted(below, level * below[-1]))
    return math.sqrt(freedom) * math.tan(angle[place + 1].item())
