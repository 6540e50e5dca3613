"""Numbers and labels as vectors that a network can add to its features."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sinusoidal(t: Float[Tensor, " b"], dim: int, scale: float = 1000.0) -> Float[Tensor, "b dim"]:
    """Cosines and sines of `t` at geometric frequencies (Vaswani et al. 2017, section 3.5).

    Parameters
    ----------
    t : Tensor, (B,)
        Times in [0, 1].
    dim : int
        Even; half of it cosines, half sines.
    scale : float
        Highest angular frequency; the lowest is 1e-4 of it.

    Returns
    -------
    Tensor, float32, (B, dim) in [-1, 1]
    """
    if dim % 2:
        raise ValueError(f"dim must be even, half cosines and half sines, got {dim}")
    frequencies = scale * torch.exp(-math.log(1e4) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """A time (B,) in [0, 1] -> features (B, dim)."""

    def __init__(self, dim: int, frequencies: int = 64) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(sinusoidal(t, self.frequencies))
