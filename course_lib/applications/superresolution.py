"""Four times as many pixels: what may be said about the fifteen that nobody measured?

A coarse picture y holds the mean of each 4 x 4 block of the fine one. Super-resolution is a paired translation, so
the models of `translation`, `pix2pix` and `bridge` serve as they are: the source is y, each pixel as a block, at the
size of the target (`coarse_and_fine`). What is special is that something is known for sure. A result whose blocks
have other means contradicts the measurement, and the nearest picture that does not is one correction away:

    x + up(y - down(x))        down(up(y)) = y, so this is the orthogonal projection (`consistent`)

Judged are two things that cannot both be had. The least squared error belongs to the mean of all pictures that fit,
which looks like none of them; a draw looks like one and has twice that error (`plane`).

Irani & Peleg 1991 (back-projection); Blau & Michaeli 2018, The Perception-Distortion Tradeoff.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from course_lib.applications.measures import patch_distance
from course_lib.data.images import Images, to_uint8
from course_lib.data.pairs import Pairs
from course_lib.diffusion.editing import downscaling
from course_lib.metrics import psnr

FACTOR = 4


def coarse_and_fine(images: Images, factor: int = FACTOR) -> Pairs:
    """Pairs for super-resolution from any images: the target is the image, the source its blocks' means.

    Parameters
    ----------
    images : Images, (N, C, H, W)
        Such as `course_lib.data.load` or a reader of one's own folder gives.
    factor : int
        Pixels of a block's side, 2 or more; H and W are multiples of it.

    Returns
    -------
    Pairs, (N, C, H, W)
        `place` is the image's number. The means are rounded to 8 bits, as a camera would.

    Raises
    ------
    ValueError
        If the images do not divide into blocks.

    Examples
    --------
    >>> pixels = 2 * torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    >>> coarse_and_fine(Images(pixels, torch.zeros(1, dtype=torch.int64)), factor=2).source[0, 0]
    tensor([[ 5,  5,  9,  9],
            [ 5,  5,  9,  9],
            [21, 21, 25, 25],
            [21, 21, 25, 25]], dtype=torch.uint8)
    """
    seen = _blocks(images.pixels, factor)
    source = to_uint8(seen.pseudo_inverse(seen.forward(images.x)))
    return Pairs(source, images.pixels, torch.arange(len(images), device=images.pixels.device))


def bicubic(source: Tensor, factor: int = FACTOR) -> Tensor:
    """What a picture viewer does: a cubic through the coarse pixels, without any knowledge of pictures.

    Parameters
    ----------
    source : Tensor, float, (N, C, H, W)
        As in the pairs: each coarse pixel a block.
    """
    coarse = _blocks(source, factor).forward(source)
    return interpolate(coarse, scale_factor=factor, mode="bicubic", align_corners=False).clamp(-1, 1)


def consistent(x: Tensor, source: Tensor, factor: int = FACTOR) -> Tensor:
    """The nearest picture to x whose blocks have the measured means: x + up(y - down(x)).

    A projection: to do it twice changes nothing, and it never moves x away from the truth.

    Parameters
    ----------
    x, source : Tensor, float, (N, C, H, W)
        A result, and what it was made from.
    """
    seen = _checked(x, source, factor)
    return x + seen.pseudo_inverse(seen.forward(source) - seen.forward(x))


def inconsistency(x: Tensor, source: Tensor, factor: int = FACTOR) -> Tensor:
    """Root mean squared difference between a result's block means and the measured ones, in levels of 0..255, ()."""
    seen = _checked(x, source, factor)
    return 127.5 * (seen.forward(x) - seen.forward(source)).square().mean().sqrt()


class Place(NamedTuple):
    """Where a way stands on the perception-distortion plane.

    Attributes
    ----------
    distortion : float
        Mean squared error to the true pictures.
    perception : float
        Distance between its patches and those of true pictures (`patch_distance`); 0 is the best.
    psnr : float
        The distortion once more, in dB, as it is usually told.
    inconsistency : float
        In levels of 0..255.
    """

    distortion: float
    perception: float
    psnr: float
    inconsistency: float


def plane(x: Tensor, truth: Tensor, source: Tensor, factor: int = FACTOR) -> Place:
    """Place results (N, C, H, W) in [-1, 1] on the plane, beside the truth and what they were made from."""
    if x.shape != truth.shape:
        raise ValueError(f"each result needs its truth, got {tuple(x.shape)} and {tuple(truth.shape)}")
    return Place(
        (x - truth).square().mean().item(),
        patch_distance(x, truth).item(),
        psnr(x, truth).mean().item(),
        inconsistency(x, source, factor).item(),
    )


def _checked(x: Tensor, source: Tensor, factor: int):
    if x.shape != source.shape:
        raise ValueError(f"a result has the shape of its source, got {tuple(x.shape)} and {tuple(source.shape)}")
    return _blocks(x, factor)


def _blocks(x: Tensor, factor: int):
    if factor < 2 or x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"pictures {tuple(x.shape)} do not divide into blocks of {factor} x {factor}, 2 or more")
    return downscaling(factor)
