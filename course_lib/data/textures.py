"""Textures with defects, and for each pixel whether it is one.

Anomaly detection learns what is good from good pieces alone and must then say which piece is bad and
where. Factories' pictures are labelled by hand and not free; here the mask is known because we made
the damage.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from course_lib.data.atlas import check_split
from course_lib.data.images import Images, expect, to_float

MATERIALS = ("weave", "brushed metal", "dots")
DEFECTS = ("none", "spot", "scratch", "hole", "smear")


@dataclass(frozen=True, eq=False)
class Masked:
    """Pictures of a material and what is wrong with them.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, 1, H, W)
    masks : Tensor, bool, (N, 1, H, W)
        True where a pixel is part of a defect.
    defects : Tensor, int64, (N,)
        Index into `DEFECTS`; 0 is a good piece, whose mask is empty.
    materials : Tensor, int64, (N,)
        Index into `MATERIALS`.
    """

    pixels: Tensor
    masks: Tensor
    defects: Tensor
    materials: Tensor

    def __post_init__(self) -> None:
        expect("pixels", self.pixels, torch.uint8, "NCHW")
        expect("masks", self.masks, torch.bool, tuple(self.pixels.shape))
        for name in ("defects", "materials"):
            expect(name, getattr(self, name), torch.int64, (len(self.pixels),))

    def __len__(self) -> int:
        return len(self.defects)

    def __getitem__(self, index) -> "Masked":
        """The pieces at a slice, an index tensor or a boolean mask, as a data set."""
        parts = {name: getattr(self, name)[index] for name in ("pixels", "masks", "defects", "materials")}
        return replace(self, **parts)

    @property
    def x(self) -> Tensor:
        """All pictures as floats in [-1, 1], (N, 1, H, W)."""
        return to_float(self.pixels)

    def images(self) -> Images:
        """The pictures labelled by material, to train on."""
        return Images(self.pixels, self.materials, MATERIALS)


def textures(n: int, seed: int, split: str = "train", size: int = 64) -> Masked:
    """Draw random pieces of three materials, which take turns.

    Parameters
    ----------
    n, seed : int
    split : "train" or "test"
        Training pieces are all good; of the test pieces one in three is, the others have one of the
        four defects each, in turn.
    size : int
        Pixels a side, 32 to 128.

    Returns
    -------
    Masked, (n, 1, size, size)

    Raises
    ------
    ValueError
        If a number is out of range or there is no such split.

    Examples
    --------
    >>> pieces = textures(12, seed=0, split="test")
    >>> (pieces.masks.flatten(1).any(1) == (pieces.defects > 0)).all().item()
    True
    """
    check_split(split)
    if n < 0 or not 32 <= size <= 128:
        raise ValueError(f"n must be 0 or more pieces and size 32 to 128 pixels, got {n} and {size}")
    pixels, masks = np.zeros((n, 1, size, size), np.uint8), np.zeros((n, 1, size, size), bool)
    order = torch.arange(n)
    bad = order // 3 % 3 > 0
    defects = torch.where(bad, 1 + (bad.cumsum(0) - 1) // 3 % 4, 0) if split == "test" else torch.zeros(n).long()
    for i in range(n):
        rng = np.random.default_rng([seed, split == "test", i])
        piece = _MAKERS[i % 3](rng, size)
        if defects[i]:
            piece, masks[i, 0] = _DAMAGES[defects[i] - 1](rng, piece)
        pixels[i, 0] = (piece.clip(0, 1) * 255).round()
    return Masked(torch.from_numpy(pixels), torch.from_numpy(masks), defects, order % 3)


def _mesh(size: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.mgrid[:size, :size] + 0.5)


def _weave(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _mesh(size)
    period, tone = rng.uniform(5.5, 6.5), rng.uniform(0.45, 0.55)
    a, b = (np.pi * (axis / period + rng.random()) for axis in (x, y))
    over = (np.floor(a / np.pi) + np.floor(b / np.pi)) % 2 == 0
    return tone + 0.25 * np.where(over, abs(np.sin(a)), abs(np.sin(b)) - 0.35) + rng.normal(0, 0.02, (size, size))


def _brushed_metal(rng: np.random.Generator, size: int) -> np.ndarray:
    streaks = rng.normal(0, 1, (size, size + 24))
    streaks = np.apply_along_axis(np.convolve, 1, streaks, np.full(25, 1 / 5), "valid")
    _, x = _mesh(size)
    return 0.6 + 0.07 * streaks + rng.uniform(0.04, 0.08) * np.sin(x / size * np.pi + rng.uniform(0, 6.3))


def _dots(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _mesh(size)
    period = rng.uniform(9, 11)
    row = np.floor(y / period + (shift := rng.random()))
    u = (x / period + rng.random() + 0.5 * (row % 2)) % 1 - 0.5
    v = (y / period + shift) % 1 - 0.5
    return 0.75 - 0.45 / (1 + np.exp((np.hypot(u, v) - 0.28) * 40)) + rng.normal(0, 0.02, (size, size))


def _place(rng: np.random.Generator, size: int) -> tuple[float, float]:
    return tuple(rng.uniform(0.2, 0.8, 2) * size)


def _spot(rng: np.random.Generator, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = _mesh(len(piece))
    cy, cx = _place(rng, len(piece))
    mask = np.hypot((y - cy) * rng.uniform(0.7, 1.4), x - cx) < rng.uniform(0.04, 0.09) * len(piece)
    return np.where(mask, piece - 0.35, piece), mask


def _scratch(rng: np.random.Generator, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = _mesh(len(piece))
    cy, cx = _place(rng, len(piece))
    angle, length = rng.uniform(0.3, 1.2) * rng.choice([-1, 1]), rng.uniform(0.15, 0.35) * len(piece)
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle) + 2 * np.sin(along / length * 2)
    mask = (abs(across) < 0.9) & (abs(along) < length)
    return np.where(mask, piece + 0.4 * (1 if piece.mean() < 0.55 else -1), piece), mask


def _hole(rng: np.random.Generator, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = _mesh(len(piece))
    cy, cx = _place(rng, len(piece))
    edge = 1 + 0.25 * np.sin(np.arctan2(y - cy, x - cx) * rng.integers(3, 6) + rng.uniform(0, 6.3))
    mask = np.hypot(y - cy, x - cx) < rng.uniform(0.05, 0.1) * len(piece) * edge
    return np.where(mask, 0.04, piece), mask


def _smear(rng: np.random.Generator, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = _mesh(len(piece))
    cy, cx = _place(rng, len(piece))
    mask = np.hypot((y - cy) * 1.6, x - cx) < rng.uniform(0.1, 0.18) * len(piece)
    return np.where(mask, piece[mask].mean() + 0.15 * (piece - piece[mask].mean()), piece), mask


_MAKERS = (_weave, _brushed_metal, _dots)
_DAMAGES = (_spot, _scratch, _hole, _smear)
