"""Which way does a model fail: images that are no good, or kinds of images that are missing?

One distance mixes both. Precision and recall tell them apart (Kynkäänniemi et al. 2019): a model that
draws one perfect shoe again and again has precision 1 and recall 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.metrics.doors import checked_features, same_width

ROWS = 1000  # of a distance matrix at a time: 10,000 x 10,000 in float64 would take 800 MB


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]: of the fakes that look real, and of the real images that the fakes cover."""

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Which share of the fakes looks real, and which share of the real images do the fakes cover?

    A set's territory is the union of balls around its members, each reaching to the member's k-th
    nearest neighbour. Precision is the share of the fakes in the real territory, recall the share of
    the real features in the fakes' (Kynkäänniemi et al. 2019, eq. 1 and 2).

    Parameters
    ----------
    real, fake : Tensor, (N, D), N > k
        As many in one as in the other: a larger set has smaller balls.
    k : int
        Larger is more lenient.

    Raises
    ------
    ValueError
        If k < 1, a set has no k-th neighbour, or the features do not fit together.
    """
    real, fake = checked_features(real, "real"), checked_features(fake, "fake")
    same_width(real, fake)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(f"k must be 1 or more and below the size of each set ({len(real)}, {len(fake)}), got {k}")
    centre = real.mean(0)  # smaller numbers, less rounding
    return _shares(real - centre, fake - centre, k)


def _shares(real: Tensor, fake: Tensor, k: int) -> PrecisionRecall:
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    looks_real, covered = [], torch.zeros(len(real), dtype=torch.bool)
    for rows, radii in zip(fake.split(ROWS), fake_radii.split(ROWS), strict=True):
        gaps = _squared_distances(rows, real)
        looks_real.append((gaps <= real_radii).any(1))
        covered |= (gaps <= radii[:, None]).any(0)
    return PrecisionRecall(torch.cat(looks_real).double().mean().item(), covered.double().mean().item())


def _radii(points: Tensor, k: int) -> Tensor:
    # Squared distance to the k-th neighbour; each point is its own nearest, hence k + 1.
    nearest = [_squared_distances(rows, points).topk(k + 1, largest=False).values for rows in points.split(ROWS)]
    return torch.cat(nearest)[:, k]


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.addmm(x.square().sum(1, keepdim=True) + y.square().sum(1), x, y.T, alpha=-2).clamp(min=0)
