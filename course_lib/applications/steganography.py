"""What does a cycle hide?

A night tells which windows are lit, a day cannot. Still a trained cycle night -> day -> night lights the right
windows again. It has to be told somewhere: in the day picture, as a pattern of a few levels that no eye sees.

The test is to disturb the picture in between. What is shown in it survives a noise of a few levels, what is hidden in
it does not. The control is an honest picture with the same noise: the true day of that street, which hides nothing,
and from which nobody could light the right windows in the first place.

Chu et al. 2017, CycleGAN, a Master of Steganography.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_lib.data.images import to_float, to_uint8
from course_lib.metrics import psnr
from course_lib.metrics.doors import checked_images

Translation = Callable[[Tensor], Tensor]  # pictures (N, C, H, W) in [-1, 1] -> pictures


@torch.no_grad()
def noise_attack(between: Tensor, back: Translation, x: Tensor, levels: Sequence[float], seed: int = 0) -> Tensor:
    """How well pictures come back from what stands between, if that is disturbed.

    Parameters
    ----------
    between : Tensor, float, (N, C, H, W) in [-1, 1]
        The pictures in between: a generator's, or honest ones as the control.
    back : callable
        Brings them home.
    x : Tensor, float, (N, C, H, W) in [-1, 1]
        What should come back.
    levels : sequence of float
        Standard deviations of the noise, in levels of 0..255; 0 leaves the pictures as they are.
    seed : int
        Of the noise: the same pattern at each level, scaled.

    Returns
    -------
    Tensor, float32, (levels,)
        Mean PSNR in dB.

    Raises
    ------
    ValueError
        If there are no levels or negative ones, or these are no such pictures.
    """
    if not len(levels) or min(levels) < 0:
        raise ValueError(f"levels must be standard deviations of 0 or more, got {list(levels)}")
    checked_images(between, "between")
    noise = torch.randn(between.shape, generator=torch.Generator().manual_seed(seed)).to(between)
    attacked = (between + level / 127.5 * noise for level in levels)
    return torch.stack([psnr(back(picture).clamp(-1, 1), x).mean() for picture in attacked])


def stored(x: Tensor) -> Tensor:
    """Pictures as a file of 8 bits would keep them: the mildest attack of all.

    Examples
    --------
    >>> (stored(torch.tensor([0.5001])) * 127.5 - 63.5).round(decimals=3)
    tensor([0.])
    """
    return to_float(to_uint8(x))


def relit(x: Tensor, truth: Tensor, above: float = 0.0) -> Tensor:
    """How many of the lights come back at their places: intersection over union of what is bright.

    Parameters
    ----------
    x, truth : Tensor, float, (N, C, H, W) in [-1, 1]
    above : float
        A pixel whose channels' mean exceeds this is a light.

    Returns
    -------
    Tensor, ()
        Over all pictures together, in [0, 1]; 1 if neither has any light.
    """
    if x.shape != truth.shape:
        raise ValueError(f"each picture needs its truth, got {tuple(x.shape)} and {tuple(truth.shape)}")
    a, b = (pictures.mean(dim=1) > above for pictures in (x, truth))
    both, either = (a & b).sum(), (a | b).sum()
    return both / either if either else torch.ones(())
