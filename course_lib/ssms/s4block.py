"""Blocks without the choice: S4D by itself, and S4D in the place of Mamba's selective scan.

`S4Layer` is what came before Mamba: each channel by its fixed system, then a nonlinearity and a linear layer that mix
the channels. It hears *when* something came; what it was decides nothing.

To see what selection alone is worth, nothing else may differ. So `S4Block` has Mamba's projections, convolution and
gate, and in the middle S4D. The gate looks at the content, but it comes too late: it can hide what the state has mixed
up, not keep it apart.

Gu & Dao 2023, table 1, compares the same three.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from course_lib.ssms.mamba import Memory, ShortConv
from course_lib.ssms.s4d import S4D


class S4Layer(nn.Module):
    """S4D, GELU, and a linear layer.

    Parameters
    ----------
    width : int
        Features of each place.
    state : int
        Numbers that each feature remembers, N.
    """

    def __init__(self, width: int, state: int = 64) -> None:
        super().__init__()
        self.ssm, self.out = S4D(width, state), nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        return self.out(gelu(self.ssm(x)))

    def begin(self, n: int) -> Tensor:
        """The memory of `n` sequences before their first input."""
        return self.ssm.begin(n)

    def step(self, x: Float[Tensor, "b w"], memory: Tensor) -> tuple[Float[Tensor, "b w"], Tensor]:
        """One more input: what `forward` gives at this place, and the memory after it."""
        y, memory = self.ssm.step(x, memory)
        return self.out(gelu(y)), memory


class S4Block(nn.Module):
    """Mamba's block around a time-invariant state space model.

    Parameters
    ----------
    width : int
        Features of each place.
    state : int
        Numbers that each inner feature remembers, N.
    expand, kernel : int
        As in `Mamba`.
    """

    def __init__(self, width: int, state: int = 16, expand: int = 2, kernel: int = 4) -> None:
        super().__init__()
        inner = expand * width
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv = ShortConv(inner, kernel)
        self.ssm = S4D(inner, state)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        return self.out_proj(self.ssm(silu(self.conv(x))) * silu(gate))

    def begin(self, n: int) -> Memory:
        """The memory of `n` sequences before their first input."""
        return Memory(self.conv.begin(n), self.ssm.begin(n))

    def step(self, x: Float[Tensor, "b w"], memory: Memory) -> tuple[Float[Tensor, "b w"], Memory]:
        """One more input: what `forward` gives at this place, and the memory after it."""
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x, recent = self.conv.step(x, memory.recent)
        y, state = self.ssm.step(silu(x), memory.state)
        return self.out_proj(y * silu(gate)), Memory(recent, state)
