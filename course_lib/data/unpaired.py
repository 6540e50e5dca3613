"""Two piles of images that nobody has paired."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from course_lib.data.images import Batch, Images, shuffled, to_float


@dataclass(frozen=True, eq=False)
class Unpaired:
    """Images of one kind and images of another, of different scenes.

    Parameters
    ----------
    source, target : Images, (N, C, H, W) and (M, C, H, W)
        What is to be translated, and what it should look like.

    Raises
    ------
    ValueError
        If they differ in channels or size.

    Examples
    --------
    >>> import torch
    >>> pile = lambda n: Images(torch.zeros(n, 3, 32, 32, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64))
    >>> next(Unpaired(pile(8), pile(5)).batches(4)).y.shape
    torch.Size([4, 3, 32, 32])
    """

    source: Images
    target: Images

    def __post_init__(self) -> None:
        if self.source.pixels.shape[1:] != self.target.pixels.shape[1:]:
            raise ValueError(
                "both piles must hold images of the same channels and size, got "
                f"{tuple(self.source.pixels.shape[1:])} and {tuple(self.target.pixels.shape[1:])}"
            )

    def __len__(self) -> int:
        """Images in both piles together."""
        return len(self.source) + len(self.target)

    def to(self, device) -> Self:
        return type(self)(self.source.to(device), self.target.to(device))

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of targets x and sources y, each pile in an order of its own; see `Images.batches`."""
        orders = zip(shuffled(self.target.labels, size, seed), shuffled(self.source.labels, size, seed + 1_000_003))
        return (Batch(to_float(self.target.pixels[i]), to_float(self.source.pixels[j])) for i, j in orders)
