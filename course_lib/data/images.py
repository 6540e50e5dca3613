"""A data set is tensors.

The images of this course fit in memory, so a data set is two tensors on one device: no loader
workers, no per-image transforms, no cache. A batch is one index into uint8 pixels, which are
turned into floats in [-1, 1] only then: a quarter of the memory, and a GPU never waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Batch(NamedTuple):
    """What a model sees in one step.

    Attributes
    ----------
    x : Tensor, float, (B, C, H, W) in [-1, 1]
        The images.
    y : Tensor, (B, ...)
        The condition: labels, caption tokens or a source image.
    """

    x: Tensor
    y: Tensor

    def to(self, device: torch.device | str) -> Self:
        return type(self)(self.x.to(device), self.y.to(device))


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images, whole, on one device.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, C, H, W)
    labels : Tensor, int64, (N,)
    classes : tuple of str
        The name of each label.

    Raises
    ------
    ValueError
        If the shapes, dtypes or lengths do not fit together.

    Examples
    --------
    >>> images = Images(torch.zeros(6, 1, 28, 28, dtype=torch.uint8), torch.arange(6), tuple("abcdef"))
    >>> next(images.batches(4, seed=0)).x.shape
    torch.Size([4, 1, 28, 28])
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect("pixels", self.pixels, torch.uint8, "NCHW")
        expect("labels", self.labels, torch.int64, (len(self.pixels),))
        if self.classes and len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ValueError(f"labels must lie in 0..{len(self.classes) - 1}, one of {self.classes}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> Self:
        """The images at a slice, an index tensor or a boolean mask, as a data set."""
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    @property
    def x(self) -> Tensor:
        """All images as floats in [-1, 1], (N, C, H, W)."""
        return to_float(self.pixels)

    def to(self, device: torch.device | str) -> Self:
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless full batches, reshuffled in each epoch.

        Parameters
        ----------
        size : int
            Images a batch. The few left at the end of an epoch wait for another one.
        seed : int
            The same seed gives the same batches on every device.

        Raises
        ------
        ValueError
            If the set holds fewer images than one batch.
        """
        return (Batch(to_float(self.pixels[i]), self.labels[i]) for i in shuffled(self.labels, size, seed))


def expect(name: str, tensor: Tensor, dtype: torch.dtype, shape: str | tuple[int | str, ...]) -> None:
    """Refuse a tensor of another dtype or shape; a letter stands for any length.

    Examples
    --------
    >>> expect("labels", torch.zeros(3), torch.int64, (3,))
    Traceback (most recent call last):
    ValueError: labels must be int64 (3,), got float32 (3,)
    """
    fits = tensor.ndim == len(shape) and all(isinstance(n, str) or n == m for n, m in zip(shape, tensor.shape))
    if not fits or tensor.dtype != dtype:
        wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        short = [str(kind).removeprefix("torch.") for kind in (dtype, tensor.dtype)]
        raise ValueError(f"{name} must be {short[0]} {wanted}, got {short[1]} {tuple(tensor.shape)}")


def shuffled(rows: Tensor, size: int, seed: int = 0) -> Iterator[Tensor]:
    """Endless indices of full batches, reshuffled in each epoch.

    Parameters
    ----------
    rows : Tensor, (N, ...)
        Any tensor of the data set: its length and its device are used.
    size : int
        Indices a batch, 1 to N.
    seed : int

    Yields
    ------
    Tensor, int64, (size,)
        On the device of `rows`, drawn on the CPU: the same on every device.

    Raises
    ------
    ValueError
        At once, if the set holds fewer rows than one batch.
    """
    if not 1 <= size <= len(rows):
        raise ValueError(f"a batch must hold 1 to {len(rows)} images, all that the set has, got {size}")
    return _shuffled(len(rows), size, rows.device, torch.Generator().manual_seed(seed))


def _shuffled(n: int, size: int, device: torch.device, rng: torch.Generator) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(n, generator=rng)
        yield from order[: n // size * size].to(device).split(size)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 pixels 0..255 to floats in [-1, 1]."""
    if pixels.dtype != torch.uint8:
        raise ValueError(f"pixels must be uint8, got {pixels.dtype}: a float here is perhaps scaled already")
    return pixels.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1] to uint8 pixels 0..255; what lies outside is clipped.

    Examples
    --------
    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    if not x.is_floating_point():
        raise ValueError(f"x must be float in [-1, 1], got {x.dtype}")
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
