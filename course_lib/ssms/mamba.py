"""Mamba: a state space model that chooses what it keeps.

S4D treats every input alike: what stands in the state after a hundred steps depends on *when* something came, not
on what it was. Mamba computes the step size, and the ways into and out of the state, from the input itself:

    dt = softplus(W_dt x + bias)     B = W_B x     C = W_C x

A small dt lets an input pass by and keeps the state as it is; a large one wipes the state and writes the input.
The recurrence is then no longer a convolution, but still linear in the state, and so still a scan.

Around it stands a block that does what attention and MLP do in a transformer: widen, look at the last few inputs,
run the state space model, gate, narrow.

Gu & Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, algorithm 2 and figure 3. We leave
out their fused kernel; `selective` has the scan.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from course_lib.ssms.selective import selective_scan, selective_step


class Memory(NamedTuple):
    """All that a block remembers of a sequence, however long it was.

    Attributes
    ----------
    recent : Tensor, (b, inner, kernel - 1)
        The last inputs of the convolution.
    state : Tensor, (b, inner, N)
    """

    recent: Tensor
    state: Tensor


class Mamba(nn.Module):
    """A Mamba block, without norm and residual branch.

    Parameters
    ----------
    width : int
        Features of each place.
    state : int
        Numbers that each inner feature remembers, N.
    expand : int
        The block works with expand * width features.
    kernel : int
        How many inputs the convolution sees, this one included.

    Notes
    -----
    A begins as -1, -2, ..., -N for each feature (S4D-Real), and dt between 0.001 and 0.1, evenly in its logarithm: the
    block begins with memories from ten to a thousand steps.
    """

    def __init__(self, width: int, state: int = 16, expand: int = 2, kernel: int = 4) -> None:
        super().__init__()
        inner, rank = expand * width, math.ceil(width / 16)
        self.split = [rank, state, state]
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv = ShortConv(inner, kernel)
        self.x_proj = nn.Linear(inner, sum(self.split), bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.dt_proj.bias.copy_(paces(inner))

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x = silu(self.conv(x))
        y, _ = selective_scan(x, *self.choices(x))
        return self.out_proj((y + self.D * x) * silu(gate))

    def choices(self, x: Float[Tensor, "*b i"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """dt (..., inner), A (inner, N), B and C (..., N): all but A depend on the input (algorithm 2)."""
        low, B, C = self.x_proj(x).split(self.split, dim=-1)
        return softplus(self.dt_proj(low)), -self.A_log.exp(), B, C

    def begin(self, n: int) -> Memory:
        """The memory of `n` sequences before their first input."""
        inner, states = self.A_log.shape
        return Memory(self.conv.begin(n), self.D.new_zeros(n, inner, states))

    def step(self, x: Float[Tensor, "b w"], memory: Memory) -> tuple[Float[Tensor, "b w"], Memory]:
        """One more input: what `forward` gives at this place, and the memory after it."""
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x, recent = self.conv.step(x, memory.recent)
        x = silu(x)
        y, state = selective_step(x, *self.choices(x), memory.state)
        return self.out_proj((y + self.D * x) * silu(gate)), Memory(recent, state)


class ShortConv(nn.Conv1d):
    """Each feature by itself, from the last few inputs; nothing comes from the future.

    Parameters
    ----------
    width : int
    kernel : int
        How many inputs it sees, this one included.
    """

    def __init__(self, width: int, kernel: int = 4) -> None:
        super().__init__(width, width, kernel, groups=width)

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        return super().forward(pad(x.mT, (self.kernel_size[0] - 1, 0))).mT

    def begin(self, n: int) -> Float[Tensor, "b w k"]:
        return self.weight.new_zeros(n, self.in_channels, self.kernel_size[0] - 1)

    def step(self, x: Float[Tensor, "b w"], recent: Float[Tensor, "b w k"]) -> tuple[Tensor, Tensor]:
        seen = torch.cat([recent, x[:, :, None]], dim=2)
        return (seen * self.weight[:, 0]).sum(dim=2) + self.bias, seen[:, :, 1:]


def paces(n: int, shortest: float = 0.001, longest: float = 0.1) -> Float[Tensor, " n"]:
    """Biases whose softplus are step sizes between two bounds, evenly in their logarithm.

    Examples
    --------
    >>> softplus(paces(3)).round(decimals=4)
    tensor([0.0010, 0.0100, 0.1000])
    """
    dt = torch.logspace(math.log10(shortest), math.log10(longest), n)
    return dt + torch.log(-torch.expm1(-dt))  # the inverse of softplus
