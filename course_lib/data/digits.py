"""Handwritten digits: 1,797 real images of 8 x 8 pixels in 17 levels of grey.

Small enough that a model trains in seconds and that a pixel is a word: 64 tokens from a vocabulary
of 17 are a whole image, which exact likelihoods and sequence models need.

Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (CC BY 4.0), as scikit-learn holds it.
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.data.atlas import arrays, check_split
from course_lib.data.images import Images

CLASSES = tuple("0123456789")
LEVELS = 17
TEST = 360  # the last of the file, where other writers stand than in the first


def digits(split: str = "train") -> Images:
    """The digits, black on white paper turned to white on black.

    Parameters
    ----------
    split : "train" or "test"
        The first 1,437 images of the original file, or its last 360.

    Returns
    -------
    Images, (N, 1, 8, 8)
        Level k of 0..16 is stored as the pixel round(255 k / 16); `levels` gives k back.

    Raises
    ------
    ValueError
        If there is no such split.

    Examples
    --------
    >>> digits().pixels.shape
    torch.Size([1437, 1, 8, 8])
    """
    check_split(split)
    stored = arrays("digits.npz")
    part = slice(None, -TEST) if split == "train" else slice(-TEST, None)
    pixels = from_levels(torch.from_numpy(stored["levels"][part].astype(np.int64)))
    return Images(pixels[:, None], torch.from_numpy(stored["labels"][part].astype(np.int64)), CLASSES)


def from_levels(k: Tensor) -> Tensor:
    """Levels 0..16 to uint8 pixels 0..255.

    Raises
    ------
    ValueError
        If a level lies outside 0..16.
    """
    if k.is_floating_point() or (k.numel() and not 0 <= k.min() <= k.max() < LEVELS):
        raise ValueError(f"levels must be integers in 0..{LEVELS - 1}, got {k.dtype} in {_range(k)}")
    return (k * 255 / (LEVELS - 1)).round().to(torch.uint8)


def levels(pixels: Tensor) -> Tensor:
    """uint8 pixels to the nearest of the 17 levels, int64 0..16: exact on the digits.

    Examples
    --------
    >>> levels(from_levels(torch.arange(17))).tolist() == list(range(17))
    True
    """
    if pixels.dtype != torch.uint8:
        raise ValueError(f"pixels must be uint8, got {pixels.dtype}: bring samples there with to_uint8")
    return (pixels.double() * (LEVELS - 1) / 255).round().long()


def _range(k: Tensor) -> str:
    return f"{k.min().item()}..{k.max().item()}" if k.numel() else "an empty tensor"
