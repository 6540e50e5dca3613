"""A stack of mixers: what an SSM and a transformer have in common.

A mixer lets the places of a sequence hear of those before them. Whatever it is, it does so in two ways that must
agree: `forward` for all places at once, to train, and `step` for one place after the other, to generate. Between
the steps it keeps what it needs of the past. For an SSM that is a state of fixed size; for attention, everything.
"""

from collections.abc import Sequence
from typing import Protocol

from jaxtyping import Float
from torch import Tensor, nn

from course_lib.nn.attention import Cache
from course_lib.ssms.mamba import Memory


class Mixer(Protocol):
    """What a block offers. Places hear of themselves and of those before them only."""

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        """All places at once."""

    def begin(self, n: int) -> Memory:
        """What is known of `n` sequences before their first place."""

    def step(self, x: Float[Tensor, "b w"], memory: Memory) -> tuple[Float[Tensor, "b w"], Memory]:
        """The next place, and what is known after it."""


class Stack(nn.Module):
    """Mixers on top of each other, each in a residual branch behind a norm: x <- x + mixer(norm(x)).

    Parameters
    ----------
    width : int
    mixers : sequence of Mixer
    """

    def __init__(self, width: int, mixers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(mixers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in mixers)

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + mixer(norm(x))
        return x

    def begin(self, n: int) -> list[Memory]:
        """What each mixer knows of `n` sequences before their first place."""
        return [mixer.begin(n) for mixer in self.mixers]

    def step(self, x: Float[Tensor, "b w"], memories: list[Memory]) -> tuple[Float[Tensor, "b w"], list[Memory]]:
        """One place through all mixers, and what each knows after it."""
        after = []
        for norm, mixer, memory in zip(self.norms, self.mixers, memories):
            y, memory = mixer.step(norm(x), memory)
            x, after = x + y, [*after, memory]
        return x, after


def remembered_bytes(memory) -> int:
    """Bytes of all tensors in a memory: a tensor, a cache, nothing, or lists and tuples of them.

    Examples
    --------
    >>> import torch
    >>> remembered_bytes([torch.zeros(2, 3), (torch.zeros(4, dtype=torch.int64),)])
    56
    """
    if memory is None:
        return 0
    if isinstance(memory, Cache):
        return memory.bytes
    if isinstance(memory, Tensor):
        return memory.element_size() * memory.numel()
    return sum(map(remembered_bytes, memory))
