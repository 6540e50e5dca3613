"""Does a detector rank the right things first?

A threshold turns scores into decisions, and every threshold is another trade. The area under the ROC
curve looks at none of them: it is the probability that a positive scores higher than a negative.
"""

import torch
from torch import Tensor


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
    return (_ranks(scores)[positive].sum().item() - p * (p + 1) / 2) / (p * n)


def _ranks(scores: Tensor) -> Tensor:
    # From 1; equal scores share the mean of their ranks.
    _, group, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[group]
