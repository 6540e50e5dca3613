"""Clips: short films of which the true state is known in each frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from course_lib.data.images import Batch, expect, shuffled, to_float


@dataclass(frozen=True, eq=False)
class Clips:
    """Films of equal length, whole, on one device.

    Parameters
    ----------
    frames : Tensor, uint8, (N, T, C, H, W)
    states : Tensor, float32, (N, T, ...)
        What is true in each frame; each set says what it holds (positions, velocities, the hour).
    labels : Tensor, int64, (N,)
        Of what the clip is.

    Raises
    ------
    ValueError
        If the shapes, dtypes or lengths do not fit together.

    Examples
    --------
    >>> frames = torch.zeros(4, 20, 1, 32, 32, dtype=torch.uint8)
    >>> clips = Clips(frames, torch.zeros(4, 20, 2), torch.zeros(4, dtype=torch.int64))
    >>> next(clips.batches(2)).x.shape
    torch.Size([2, 20, 1, 32, 32])
    """

    frames: Tensor
    states: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        expect("frames", self.frames, torch.uint8, "NTCHW")
        n, length = self.frames.shape[:2]
        expect("states", self.states, torch.float32, (n, length, *map(str, self.states.shape[2:])))
        expect("labels", self.labels, torch.int64, (n,))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> Self:
        """The clips at a slice, an index tensor or a boolean mask, as a data set."""
        return replace(self, frames=self.frames[index], states=self.states[index], labels=self.labels[index])

    @property
    def x(self) -> Tensor:
        """All frames as floats in [-1, 1], (N, T, C, H, W)."""
        return to_float(self.frames)

    def to(self, device: torch.device | str) -> Self:
        frames, states, labels = self.frames.to(device), self.states.to(device), self.labels.to(device)
        return replace(self, frames=frames, states=states, labels=labels)

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of frames x, float (B, T, C, H, W), and labels y; see `Images.batches`."""
        return (Batch(to_float(self.frames[i]), self.labels[i]) for i in shuffled(self.labels, size, seed))
