"""The same block without the choice: S4D in the place of the selective scan.

To see what selection is worth, nothing else may differ. So this block has Mamba's projections, convolution and
gate, and in the middle a state space model whose A, B, C and step sizes are the same for every input. The gate still
looks at the content, but it comes too late: it can hide what the state has mixed up, not keep it apart.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from course_lib.ssms.mamba import Memory, ShortConv
from course_lib.ssms.s4d import S4D


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
