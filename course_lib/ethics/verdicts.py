"""How sure is a detector, and how sure are we of that?

The area under the ROC curve asks whether a detector ranks well on average. Who accuses somebody of having faked
an image asks another question: if one real image in a hundred may be called a fake, how many fakes are found?
That is the true-positive rate (TPR) at a false-positive rate (FPR) of 1 %, and a detector with a fine area can do
miserably there. Both are estimates from some hundred images, so both come with an interval.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.metrics import auroc

Z95 = 1.959964  # standard deviations around the mean that hold 95 % of a Gaussian
LEVEL = (0.025, 0.975)


class Verdict(NamedTuple):
    """What a detector is worth; each interval holds 95 % of bootstrap resamples.

    Attributes
    ----------
    auroc, auroc_low, auroc_high : float
    tpr, tpr_low, tpr_high : float
        Share of the positives found when a share `fpr` of the negatives is accused.
    """

    auroc: float
    auroc_low: float
    auroc_high: float
    tpr: float
    tpr_low: float
    tpr_high: float


def verdict(negative: Tensor, positive: Tensor, fpr: float = 0.01, resamples: int = 200, seed: int = 0) -> Verdict:
    """AUROC and TPR at a fixed FPR with bootstrap intervals (Efron 1979): both sets are drawn anew with replacement.

    The threshold moves with each resample, so its own uncertainty is part of the interval.

    Parameters
    ----------
    negative, positive : Tensor, (N,) and (M,)
        Scores; higher means more likely positive.
    fpr : float
        In [1 / N, 1): below that no threshold is known.
    resamples, seed : int

    Raises
    ------
    ValueError
        If there are too few scores for this rate, or they are not finite.

    Examples
    --------
    >>> verdict(torch.arange(100.0), torch.arange(50.0, 150.0)).tpr  # of 100 negatives one may be accused
    0.51
    """
    rng = torch.Generator().manual_seed(seed)
    estimates = torch.tensor([_both(_redrawn(negative, rng), _redrawn(positive, rng), fpr) for _ in range(resamples)])
    low, high = estimates.double().quantile(torch.tensor(LEVEL, dtype=torch.float64), dim=0).tolist()
    area, rate = _both(negative, positive, fpr)
    return Verdict(area, low[0], high[0], rate, low[1], high[1])


def _both(negative: Tensor, positive: Tensor, fpr: float) -> tuple[float, float]:
    labels = torch.cat([torch.zeros(len(negative)), torch.ones(len(positive))])
    scores = torch.cat([negative, positive]).detach().cpu().double()
    return auroc(scores, labels), tpr_at_fpr(negative, positive, fpr)


def _redrawn(scores: Tensor, rng: torch.Generator) -> Tensor:
    return scores.detach().cpu()[torch.randint(len(scores), (len(scores),), generator=rng)]


def tpr_at_fpr(negative: Tensor, positive: Tensor, fpr: float = 0.01) -> float:
    """Share of the positives above the threshold that at most a share `fpr` of the negatives exceeds.

    Parameters
    ----------
    negative, positive : Tensor, (N,) and (M,)
        Scores; higher means more likely positive.
    fpr : float
        In [1 / N, 1).

    Examples
    --------
    >>> tpr_at_fpr(torch.arange(100.0), torch.tensor([97.0, 98.0, 99.0, 200.0]))
    0.5
    """
    threshold = threshold_at(negative, fpr)
    if positive.ndim != 1 or not len(positive) or not positive.isfinite().all():
        raise ValueError(f"positive must be finite scores (M,), at least one, got {tuple(positive.shape)}")
    return (positive.detach().cpu() > threshold).double().mean().item()


def threshold_at(negative: Tensor, fpr: float = 0.01) -> float:
    """The lowest of the negatives' scores that at most a share `fpr` of them exceeds."""
    if negative.ndim != 1 or not negative.isfinite().all():
        raise ValueError(f"negative must be finite scores (N,), got {tuple(negative.shape)}")
    if not (0 < fpr < 1) or len(negative) * fpr < 1 - 1e-9:
        raise ValueError(
            f"a false-positive rate of {fpr:g} needs at least {math.ceil(1 / max(fpr, 1e-9))} negatives, "
            f"got {len(negative)}: with fewer, the threshold is a guess"
        )
    allowed = math.floor(len(negative) * fpr + 1e-9)
    return negative.detach().cpu().sort(descending=True).values[allowed].item()


def share_interval(hits: int, n: int) -> tuple[float, float]:
    """Where the true share lies if `hits` of `n` were seen, 95 % (Wilson 1927, which works at 0 and n as well).

    Examples
    --------
    >>> low, high = share_interval(0, 100)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.037)
    """
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"hits must be 0..n of at least one trial, got {hits} of {n}")
    share, z2 = hits / n, Z95**2 / n
    centre, half = (share + z2 / 2) / (1 + z2), Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
