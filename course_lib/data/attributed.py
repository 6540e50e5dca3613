"""Images of which several attributes are known at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from course_lib.data.images import Batch, Images, expect, shuffled, to_float


@dataclass(frozen=True, eq=False)
class Attributed:
    """Images with a row of attributes each, whole, on one device.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, C, H, W)
    attributes : Tensor, int64, (N, A)
        One column an attribute, each value an index into its names.
    names : dict of str to tuple of str
        The A attributes in order, each with the names of its values.

    Raises
    ------
    ValueError
        If the shapes, dtypes or lengths do not fit together, or a value has no name.

    Examples
    --------
    >>> names = {"hat": ("no", "yes"), "eyes": ("brown", "blue", "green")}
    >>> faces = Attributed(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.tensor([[0, 2], [1, 0]]), names)
    >>> faces.describe(0)
    {'hat': 'no', 'eyes': 'green'}
    >>> faces.images("hat").labels
    tensor([0, 1])
    """

    pixels: Tensor
    attributes: Tensor
    names: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        expect("pixels", self.pixels, torch.uint8, "NCHW")
        expect("attributes", self.attributes, torch.int64, (len(self.pixels), len(self.names)))
        counts = torch.tensor([len(values) for values in self.names.values()], device=self.attributes.device)
        if not ((0 <= self.attributes) & (self.attributes < counts)).all():
            raise ValueError(f"each attribute must be an index into its names, of which there are {counts.tolist()}")

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, index) -> Self:
        """The images at a slice, an index tensor or a boolean mask, as a data set."""
        return replace(self, pixels=self.pixels[index], attributes=self.attributes[index])

    @property
    def x(self) -> Tensor:
        """All images as floats in [-1, 1], (N, C, H, W)."""
        return to_float(self.pixels)

    def column(self, name: str) -> Tensor:
        """One attribute of all images, int64 (N,)."""
        if name not in self.names:
            raise ValueError(f"there is no attribute {name!r}; the attributes are {', '.join(self.names)}")
        return self.attributes[:, list(self.names).index(name)]

    def images(self, name: str) -> Images:
        """The images labelled by one attribute."""
        return Images(self.pixels, self.column(name), self.names[name])

    def describe(self, index: int) -> dict[str, str]:
        """The attributes of one image in words."""
        row = self.attributes[index].tolist()
        return {name: values[value] for (name, values), value in zip(self.names.items(), row)}

    def to(self, device: torch.device | str) -> Self:
        return replace(self, pixels=self.pixels.to(device), attributes=self.attributes.to(device))

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of images x and attributes y, int64 (B, A); see `Images.batches`."""
        return (Batch(to_float(self.pixels[i]), self.attributes[i]) for i in shuffled(self.attributes, size, seed))
