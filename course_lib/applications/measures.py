"""How does one judge an answer that is not determined?

One draw cannot be right or wrong; several draws of one source can. If they come from p(x | y) then

    a draw has twice the least squared error       E|x' - x|^2 = 2 E|x - E[x | y]|^2      (`agreement`)
    their mean is what a least-squares model learns
    the truth is one of them                       beyond all k draws in 2 of k + 1 cases (`coverage`)

and pictures that are sharp where the truth is sharp have its gradients, its spectrum, its patches.

Blau & Michaeli 2018, section 4 (twice the error); Rabin et al. 2012 (sliced Wasserstein distance).
"""

import torch
from torch import Tensor

from course_lib.data.earth import LIT
from course_lib.metrics.doors import checked_images
from course_lib.model import Model, last


def draws(model: Model, source: Tensor, k: int) -> Tensor:
    """k answers to each source (n, C, H, W), as (k, n, C, H, W) in [-1, 1], from torch's generator."""
    if k < 1:
        raise ValueError(f"k must be at least one draw, got {k}")
    return torch.stack([last(model.sample(len(source), source)).clamp(-1, 1) for _ in range(k)])


def agreement(drawn: Tensor, truth: Tensor) -> dict[str, float]:
    """Squared errors of several draws against the truth.

    Parameters
    ----------
    drawn : Tensor, float, (k, n, C, H, W), k >= 2
    truth : Tensor, float, (n, C, H, W)

    Returns
    -------
    dict of str to float
        "draw" (one alone), "mean" (of all k), "best" (the nearest of k to each truth), and "ratio", draw over an
        estimate of the error of infinitely many draws' mean: 2 for p(x | y), 1 for a function of the source.

    Raises
    ------
    ValueError
        If there are fewer than two draws, or the shapes do not fit.
    """
    k = _checked_draws(drawn, truth)
    errors = (drawn - truth).square().flatten(2).mean(dim=2)
    single, mean = errors.mean().item(), (drawn.mean(dim=0) - truth).square().mean().item()
    # The mean of k draws errs by var / k more than that of infinitely many.
    limit = mean - drawn.var(dim=0).mean().item() / k
    return {"draw": single, "mean": mean, "best": errors.amin(dim=0).mean().item(), "ratio": single / limit}


def coverage(drawn: Tensor, truth: Tensor) -> float:
    """How often the truth lies between the least and the greatest of k draws: (k - 1) / (k + 1) if it is one of them.

    Parameters
    ----------
    drawn : Tensor, float, (k, n), k >= 2
        A number for each draw of each source: its lit share, its mean brightness, one pixel of it.
    truth : Tensor, float, (n,)
    """
    _checked_draws(drawn, truth)
    return ((drawn.amin(dim=0) <= truth) & (truth <= drawn.amax(dim=0))).float().mean().item()


def lit_share(x: Tensor) -> Tensor:
    """The share of each picture (N, C, H, W) that is as bright as a small town by night, (N,)."""
    return (checked_images(x, "x").amax(dim=1) > LIT / 127.5 - 1).float().mean(dim=(1, 2))


def sharpness(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, over pictures (N, C, H, W) and both directions, ()."""
    checked_images(x, "x")
    return (x.diff(dim=3).abs().mean() + x.diff(dim=2).abs().mean()) / 2


def spectrum(x: Tensor) -> Tensor:
    """Mean power at each spatial frequency, from 0 to half the sampling rate.

    Parameters
    ----------
    x : Tensor, float, (N, C, H, H)

    Returns
    -------
    Tensor, float32, (H / 2 + 1,)
        Entry f: over all directions in which a wave passes about f times through the picture; Parseval's sum of
        squares divided by (C H^2)^2.
    """
    size = checked_images(x, "x").shape[-1]
    if x.shape[2] != size:
        raise ValueError(f"the spectrum needs square pictures, got {tuple(x.shape)}")
    power = torch.fft.fft2(x.float()).abs().square().mean(dim=(0, 1)) / size**4
    frequency = torch.fft.fftfreq(size, 1 / size, device=x.device)
    ring = torch.hypot(frequency[:, None], frequency[None]).round().long().flatten()
    count = ring.bincount(minlength=size)
    return (torch.zeros_like(count, dtype=power.dtype).index_add(0, ring, power.flatten()) / count)[: size // 2 + 1]


def patch_distance(x: Tensor, truth: Tensor, side: int = 6, directions: int = 128, patches: int = 20_000) -> Tensor:
    """Sliced Wasserstein distance between the patches of two sets of pictures: texture, wherever it is.

    All patches are projected onto random directions; on a line the distance is a matter of sorting
    (`gans.transport`). The same patches and directions are taken of both sets in each call.

    Parameters
    ----------
    x, truth : Tensor, float, (N, C, H, W) in [-1, 1], as many of each
    side : int
        Of a patch.
    directions, patches : int
        How many, at most.

    Returns
    -------
    Tensor, ()
        Mean distance a direction; 0 for equal sets.

    Raises
    ------
    ValueError
        If the sets differ in shape, or are smaller than a patch.
    """
    if x.shape != truth.shape or min(checked_images(x, "x").shape[2:]) < side:
        raise ValueError(
            f"both sets must be as many pictures of one size, at least {side} pixels, got {tuple(x.shape)} and "
            f"{tuple(truth.shape)}"
        )
    rng = torch.Generator().manual_seed(0)
    a, b = (_patches(pictures.cpu().float(), side) for pictures in (x, truth))
    few = torch.randperm(len(a), generator=rng)[:patches]
    towards = torch.nn.functional.normalize(torch.randn(a.shape[1], directions, generator=rng), dim=0)
    a, b = ((part[few] @ towards).sort(dim=0).values for part in (a, b))
    return (a - b).abs().mean()


def _patches(x: Tensor, side: int) -> Tensor:
    return x.unfold(2, side, side // 2).unfold(3, side, side // 2).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)


def _checked_draws(drawn: Tensor, truth: Tensor) -> int:
    if len(drawn) < 2 or drawn.shape[1:] != truth.shape:
        raise ValueError(
            f"needs at least two draws of the truth's shape {tuple(truth.shape)}, got {tuple(drawn.shape)}"
        )
    return len(drawn)
