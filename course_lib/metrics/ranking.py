"""Does a detector rank the right things first?

A threshold turns scores into decisions, and every threshold is another trade: the hits that it brings, as a share
of what should be found, against the false alarms that it costs, as a share of what should not. The ROC curve shows
all of them. The area under it looks at none: it is the probability that a positive scores higher than a negative.
Where a miss is dear, ask instead how many false alarms it takes to find 95 in 100.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Roc(NamedTuple):
    """Every threshold's trade, from the strictest to the laxest.

    Attributes
    ----------
    false_alarms, hits : Tensor, float64, (K,)
        Shares of the negatives and of the positives that score at least the threshold; both rise from 0 to 1.
    thresholds : Tensor, float64, (K,)
        Falling from infinity through all distinct scores.
    """

    false_alarms: Tensor
    hits: Tensor
    thresholds: Tensor


def roc(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Roc:
    """The ROC curve.

    Parameters
    ----------
    scores : Tensor, (N,)
        Higher means more likely positive.
    labels : Tensor, bool or 0/1, (N,)
    weights : Tensor, (N,), optional
        How much each counts among its own kind; all alike if not given.

    Raises
    ------
    ValueError
        As `auroc`, or if the weights are not one for each score, 0 or more, and more than 0 for each kind.

    Examples
    --------
    >>> roc(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([0, 0, 1, 1])).hits
    tensor([0.0000, 0.5000, 1.0000, 1.0000], dtype=torch.float64)
    """
    scores, positive = _checked(scores, labels)
    weights = torch.ones(len(scores)) if weights is None else weights.detach().cpu()
    if weights.shape != scores.shape or not (weights >= 0).all():
        raise ValueError(f"weights must be ({len(scores)},), 0 or more, got {tuple(weights.shape)}")
    levels, group = torch.unique(scores.double(), return_inverse=True)
    shares = [_share_above(weights.double() * kind, group, len(levels)) for kind in (~positive, positive)]
    return Roc(*shares, torch.cat([torch.tensor([torch.inf], dtype=torch.float64), levels.flip(0)]))


def _share_above(weights: Tensor, group: Tensor, groups: int) -> Tensor:
    # Equal scores pass a threshold together, so their weights are summed first.
    mass = torch.zeros(groups, dtype=torch.float64).index_add(0, group, weights).flip(0)
    if not mass.sum() > 0:
        raise ValueError("both kinds need some weight")
    return torch.cat([torch.zeros(1, dtype=torch.float64), mass.cumsum(0) / mass.sum()]).clamp(max=1)


def fpr_at(scores: Tensor, labels: Tensor, hits: float = 0.95) -> float:
    """False positive rate at the strictest threshold that finds at least a share `hits` of the positives: "FPR@95".

    Parameters
    ----------
    scores : Tensor, (N,)
    labels : Tensor, bool or 0/1, (N,)
    hits : float in (0, 1]

    Returns
    -------
    float
        0 for a perfect ranking, about `hits` for chance.

    Raises
    ------
    ValueError
        As `auroc`, or if `hits` is out of range.

    Examples
    --------
    >>> fpr_at(torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, 0, 1]))
    0.5
    """
    if not 0 < hits <= 1:
        raise ValueError(f"hits must be a share in (0, 1], got {hits}")
    curve = roc(scores, labels)
    enough = curve.hits >= hits - 1e-12  # 19 of 20 are 0.95, whatever their quotient is rounded to
    return curve.false_alarms[enough][0].item()


def auroc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counting half.

    Parameters
    ----------
    scores : Tensor, (N,)
        Higher means more likely positive.
    labels : Tensor, bool or 0/1, (N,)

    Returns
    -------
    float
        1 for a perfect ranking, 0.5 for chance, 0 for a perfectly wrong one.

    Raises
    ------
    ValueError
        If the shapes differ, a score is not finite, a label is not 0 or 1, or a class is missing.

    Examples
    --------
    >>> auroc(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]))
    0.875
    """
    scores, positive = _checked(scores, labels)
    p, n = positive.sum().item(), (~positive).sum().item()
    return (_ranks(scores)[positive].sum().item() - p * (p + 1) / 2) / (p * n)


def _checked(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scores and which of them are positive, on the CPU, or the reason why they cannot be ranked."""
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores and labels must both be (N,), got {tuple(scores.shape)} and {tuple(labels.shape)}")
    scores, labels = scores.detach().cpu(), labels.detach().cpu()
    if not scores.isfinite().all():
        raise ValueError("scores must be finite: NaN has no rank")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must be 0 or 1 (or bool): 1 for what the detector should find")
    positive = labels.bool()
    p, n = positive.sum().item(), (~positive).sum().item()
    if not p or not n:
        raise ValueError(f"both classes are needed to rank one above the other, got {p} positives and {n} negatives")
    return scores, positive


def _ranks(scores: Tensor) -> Tensor:
    # From 1; equal scores share the mean of their ranks.
    _, group, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[group]
