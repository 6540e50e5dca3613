"""Pairs: two pictures of the same place, or of the same thing by two hands."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from course_lib.data.images import Batch, expect, shuffled, to_float


@dataclass(frozen=True, eq=False)
class Pairs:
    """Source and target images, whole, on one device.

    Parameters
    ----------
    source, target : Tensor, uint8, (N, C, H, W)
        What is given, and what is to be made from it. C may differ between them.
    place : Tensor, int64, (N,)
        Of what the pair is a picture: a place on the map, a concept, a scene.

    Raises
    ------
    ValueError
        If the shapes, dtypes or lengths do not fit together.

    Examples
    --------
    >>> day, night = torch.zeros(2, 4, 3, 64, 64, dtype=torch.uint8)
    >>> x, y = next(Pairs(day, night, torch.arange(4)).batches(2))
    >>> x.shape, y.shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 3, 64, 64]))
    """

    source: Tensor
    target: Tensor
    place: Tensor

    def __post_init__(self) -> None:
        expect("source", self.source, torch.uint8, "NCHW")
        expect("target", self.target, torch.uint8, "NCHW")
        if len(self.source) != len(self.target) or self.source.shape[2:] != self.target.shape[2:]:
            raise ValueError(
                f"a pair shows the same thing at the same size, got source {tuple(self.source.shape)} "
                f"and target {tuple(self.target.shape)}"
            )
        expect("place", self.place, torch.int64, (len(self.source),))

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, index) -> Self:
        """The pairs at a slice, an index tensor or a boolean mask, as a data set."""
        return replace(self, source=self.source[index], target=self.target[index], place=self.place[index])

    @property
    def x(self) -> Tensor:
        """All targets as floats in [-1, 1]: what a model is to make."""
        return to_float(self.target)

    @property
    def y(self) -> Tensor:
        """All sources as floats in [-1, 1]: what it is given."""
        return to_float(self.source)

    def swapped(self) -> Self:
        """The other direction: sources become targets."""
        return replace(self, source=self.target, target=self.source)

    def to(self, device: torch.device | str) -> Self:
        source, target, place = self.source.to(device), self.target.to(device), self.place.to(device)
        return replace(self, source=source, target=target, place=place)

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of target x given source y, both float in [-1, 1]; see `Images.batches`."""
        return (Batch(to_float(self.target[i]), to_float(self.source[i])) for i in shuffled(self.place, size, seed))
