"""Mamba-2: one decay a head, so that the whole scan becomes matrix products.

Where Mamba lets each number of the state fade at its own speed, Mamba-2 has a single decay for each head and step.
It loses little by that, and gains what `duality` shows: the recurrence is then a masked attention, and a long
sequence is worked off in chunks by the matrix products for which processors are built. So the state may be large.

Dao & Gu 2024, Transformers are SSMs, section 7 and figure 6 (the block with parallel projections, one group).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from course_lib.ssms.duality import chunked, step
from course_lib.ssms.mamba import Memory, ShortConv, paces


class Mamba2(nn.Module):
    """A Mamba-2 block, without norm and residual branch.

    Parameters
    ----------
    width : int
        Features of each place.
    state : int
        Columns of each head's state, N.
    heads : int
        A divisor of expand * width, which is what the block works with.
    expand, kernel : int
        As in `Mamba`.
    """

    def __init__(self, width: int, state: int = 64, heads: int = 4, expand: int = 2, kernel: int = 4) -> None:
        super().__init__()
        inner = expand * width
        if heads < 1 or inner % heads:
            raise ValueError(f"heads must divide the {inner} inner features: each gets an equal part, not {heads}")
        self.heads, self.split = heads, [inner, inner + 2 * state, heads]
        self.parts = [inner, state, state]
        self.in_proj = nn.Linear(width, sum(self.split), bias=False)
        self.conv = ShortConv(inner + 2 * state, kernel)
        self.dt_bias = nn.Parameter(paces(heads))
        self.A_log = nn.Parameter(torch.linspace(1, 16, heads).log())
        self.D = nn.Parameter(torch.ones(heads, 1))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        gate, x, dt = self.in_proj(x).split(self.split, dim=-1)
        x, dt, decay, B, C = self.choices(self.conv(x), dt)
        y, _ = chunked(x * dt, decay, B, C)
        return self.gated(y + self.D * x, gate)

    def choices(self, x: Float[Tensor, "*b i"], dt: Float[Tensor, "*b h"]) -> tuple[Tensor, ...]:
        """x (..., H, P), dt (..., H, 1), log-decay (..., H), B and C (..., N), from what the convolution gives."""
        x, B, C = silu(x).split(self.parts, dim=-1)
        dt = softplus(dt + self.dt_bias)
        return x.unflatten(-1, (self.heads, -1)), dt[..., None], -self.A_log.exp() * dt, B, C

    def gated(self, y: Float[Tensor, "*b h p"], gate: Float[Tensor, "*b i"]) -> Float[Tensor, "*b w"]:
        """Gate, norm, and back to the width."""
        return self.out_proj(self.norm(y.flatten(-2) * silu(gate)))

    def begin(self, n: int) -> Memory:
        """The memory of `n` sequences before their first input."""
        inner, states, _ = self.parts
        return Memory(self.conv.begin(n), self.D.new_zeros(n, self.heads, inner // self.heads, states))

    def step(self, x: Float[Tensor, "b w"], memory: Memory) -> tuple[Float[Tensor, "b w"], Memory]:
        """One more input: what `forward` gives at this place, and the memory after it."""
        gate, x, dt = self.in_proj(x).split(self.split, dim=-1)
        x, recent = self.conv.step(x, memory.recent)
        x, dt, decay, B, C = self.choices(x, dt)
        y, state = step(x * dt, decay, B, C, memory.state)
        return self.gated(y + self.D * x, gate), Memory(recent, state)
