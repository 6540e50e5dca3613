"""Does a heat map find every defect, or only the large ones?

Over all pixels one large stain outweighs ten scratches. So count defects, not pixels: the per-region overlap (PRO)
is the share of a defect that lies above the threshold, averaged over the defects. Against the share of good
pixels that are false alarms it draws a curve, and since nobody wants a map that glows everywhere, its area is taken
where at most 30 % of the good pixels do.

The curve needs no loop over thresholds: let each pixel of a defect count one over the defect's size, and PRO is the
hit rate of an ordinary ROC curve.

Bergmann et al. 2020, Uninformed Students; Bergmann et al. 2021, The MVTec Anomaly Detection Dataset.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from course_lib.data.images import expect
from course_lib.metrics.ranking import auroc, roc


def pixel_auroc(maps: Tensor, masks: Tensor) -> float:
    """P(a pixel of a defect is hotter than a good pixel), over all pixels of all images.

    Parameters
    ----------
    maps : Tensor, float, (N, 1, H, W)
        Higher where something is wrong.
    masks : Tensor, bool, (N, 1, H, W)
        True where something is.

    Raises
    ------
    ValueError
        If the shapes differ, a heat is not finite, or all pixels are good or all are not.
    """
    _check(maps, masks)
    return auroc(maps.flatten(), masks.flatten())


def aupro(maps: Tensor, masks: Tensor, limit: float = 0.3) -> float:
    """Area under the per-region-overlap curve up to a false alarm rate of `limit`, divided by `limit`.

    Parameters
    ----------
    maps : Tensor, float, (N, 1, H, W)
    masks : Tensor, bool, (N, 1, H, W)
    limit : float in (0, 1]
        0.3 as customary.

    Returns
    -------
    float
        1 for maps that are hotter on every defect than on any good pixel, limit / 2 for chance.

    Raises
    ------
    ValueError
        As `pixel_auroc`, or if the limit is out of range.

    Examples
    --------
    >>> masks = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    >>> masks[..., :2, :2] = True
    >>> aupro(masks.float(), masks)
    1.0
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be a share of the good pixels in (0, 1], got {limit}")
    _check(maps, masks)
    curve = roc(maps.flatten(), masks.flatten(), _weights(masks).flatten())
    return _area(curve.false_alarms, curve.hits, limit) / limit


def regions(masks: Tensor) -> Tensor:
    """Number the connected regions of masks, diagonal neighbours connected: int64 (N, 1, H, W), 0 where false.

    Every pixel starts with a number of its own and takes the largest among its neighbours until nothing changes.

    Examples
    --------
    >>> regions(torch.tensor([[[[1, 1, 0, 0], [0, 0, 0, 1]]]]).bool())
    tensor([[[[1, 1, 0, 0],
              [0, 0, 0, 2]]]])
    """
    expect("masks", masks, torch.bool, ("N", 1, "H", "W"))
    number = torch.arange(1, masks.numel() + 1, dtype=torch.float64, device="cpu").view(masks.shape) * masks.cpu()
    while not torch.equal(grown := max_pool2d(number, 3, 1, 1) * masks.cpu(), number):
        number = grown
    _, consecutive = torch.unique(torch.cat([number.new_zeros(1), number.flatten()]), return_inverse=True)
    return consecutive[1:].view(masks.shape).to(masks.device)


def _weights(masks: Tensor) -> Tensor:
    number = regions(masks).cpu()
    return torch.where(number > 0, 1 / number.flatten().bincount()[number], 1.0)


def _area(x: Tensor, y: Tensor, limit: float) -> float:
    """Under the broken line through (x, y), x rising from 0 to 1, from 0 to `limit`, by trapezoids."""
    end = int(torch.searchsorted(x, limit, right=True))  # the first x beyond
    if end < len(x):
        share = (limit - x[end - 1]) / (x[end] - x[end - 1])
        x = torch.cat([x[:end], x.new_tensor([limit])])
        y = torch.cat([y[:end], (y[end - 1] + share * (y[end] - y[end - 1]))[None]])
    return torch.trapezoid(y, x).item()


def _check(maps: Tensor, masks: Tensor) -> None:
    expect("masks", masks, torch.bool, ("N", 1, "H", "W"))
    if maps.shape != masks.shape:
        raise ValueError(f"each mask needs a heat map of its shape {tuple(masks.shape)}, got {tuple(maps.shape)}")
