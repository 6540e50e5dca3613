"""A frame as a small picture of vectors: one for each patch of pixels.

The plainest autoencoder that there is: cut the frame into patches and keep of each patch its principal
components. No linear autoencoder has a smaller squared error, and it is found in closed form, without a step
of training (the vaes module shows both). With as many components as numbers in a patch nothing is lost.

Pearson 1901; Baldi & Hornik 1989, Neural Networks and Principal Component Analysis.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

FLOOR = 0.05  # of the largest spread: components that hardly vary are not blown up


class PatchCodec(nn.Module):
    """Principal components of patches; until it is fitted it keeps the first numbers of each patch.

    Parameters
    ----------
    channels : int
        Of a frame.
    patch : int
        Pixels a side.
    rank : int
        Components that are kept, at most channels * patch^2.

    Raises
    ------
    ValueError
        If a patch has fewer numbers than are to be kept.
    """

    def __init__(self, channels: int, patch: int, rank: int) -> None:
        super().__init__()
        numbers = channels * patch**2
        if not 1 <= rank <= numbers:
            raise ValueError(f"a patch has {numbers} numbers, so 1 to {numbers} can be kept of it, not {rank}")
        self.patch, self.rank = patch, rank
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("basis", torch.eye(numbers)[:rank])
        self.register_buffer("spread", torch.ones(rank))

    @torch.no_grad()
    def fit(self, frames: Float[Tensor, "n c h w"]) -> float:
        """Find the components from frames in [-1, 1]; the share of the variance that they keep."""
        rows = self._patches(frames).movedim(1, -1).flatten(0, -2)
        self.mean.copy_(rows.mean(0))
        values, vectors = torch.linalg.eigh(torch.cov(rows.T))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        self.basis.copy_(vectors.T[: self.rank])
        self.spread.copy_(values.sqrt()[: self.rank].clamp(min=FLOOR * values[0].sqrt()))
        return (values[: self.rank].sum() / values.sum()).item()

    def encode(self, frames: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n i j r"]:
        """Frames to latents of about unit variance, the components last."""
        rows = self._patches(frames.flatten(0, -4)).movedim(1, -1) - self.mean
        return (rows @ self.basis.T / self.spread).unflatten(0, frames.shape[:-3])

    def decode(self, latents: Float[Tensor, "*n i j r"]) -> Float[Tensor, "*n c h w"]:
        """Latents to frames."""
        rows = (latents * self.spread) @ self.basis + self.mean
        return pixel_shuffle(rows.movedim(-1, -3), self.patch)

    def ground(self, like: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n c h w"]:
        """The frame that stands before the first one: the mean patch everywhere."""
        side = (like.shape[-2] // self.patch, like.shape[-1] // self.patch)
        return self.decode(self.mean.new_zeros(*like.shape[:-3], *side, self.rank))

    def _patches(self, frames: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        if frames.shape[-1] % self.patch or frames.shape[-2] % self.patch:
            raise ValueError(f"frames must be cut evenly into patches of {self.patch}, got {tuple(frames.shape)}")
        return pixel_unshuffle(frames, self.patch)
