"""The transformer's block: look around, then think, each as a small change to what is there.

    x <- x + attention(norm(x))
    x <- x + mlp(norm(x))

The norm stands inside the branch, so that a deep stack passes signals and gradients on unchanged (Xiong et al.
2020). `Block` does that; `ConditionalBlock` lets a vector, a time or a label, turn the knobs: adaLN-zero
(Peebles & Xie 2023, section 3.2), whose gates begin at 0, so that each block begins as the identity.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import silu

from course_lib.nn.attention import Cache, MultiHead


class Mlp(nn.Sequential):
    """Each place by itself: up to four times the width and back."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))


class Block(nn.Module):
    """Attention and MLP, each in a residual branch; with a context, it is looked at in between.

    Parameters
    ----------
    width, heads : int
    context : int, optional
        Features of a second sequence to look at.
    """

    def __init__(self, width: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), MultiHead(width, heads)
        self.cross = None if context is None else Cross(width, heads, context)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width)

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        mask: Bool[Tensor, "*#b l m"] | None = None,
        cache: Cache | None = None,
        context: Float[Tensor, "b m c"] | None = None,
        hidden: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b l w"]:
        x = x + self.attention(self.norm1(x), mask=mask, cache=cache)
        if self.cross is not None:
            x = x + self.cross(x, context, hidden)
        return x + self.mlp(self.norm2(x))


class Cross(nn.Module):
    """A look at another sequence, of words say; `hidden` marks its padding."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), MultiHead(width, heads, context)

    def forward(
        self, x: Float[Tensor, "b l w"], context: Float[Tensor, "b m c"], hidden: Bool[Tensor, "b m"] | None = None
    ) -> Float[Tensor, "b l w"]:
        mask = None if hidden is None else ~hidden[:, None, None]
        return self.attention(self.norm(x), context, mask)


class ConditionalBlock(nn.Module):
    """A block whose norms are scaled and shifted, and whose branches are gated, by a condition.

    Parameters
    ----------
    width, heads : int
    condition : int
        Features of the condition.
    context : int, optional
        Features of a second sequence to look at.
    """

    def __init__(self, width: int, heads: int, condition: int, context: int | None = None) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, elementwise_affine=False), MultiHead(width, heads)
        self.cross = None if context is None else Cross(width, heads, context)
        self.norm2, self.mlp = nn.LayerNorm(width, elementwise_affine=False), Mlp(width)
        self.knobs = nn.Linear(condition, 6 * width)
        nn.init.zeros_(self.knobs.weight)
        nn.init.zeros_(self.knobs.bias)
        if self.cross is not None:
            nn.init.zeros_(self.cross.attention.out.weight)
            nn.init.zeros_(self.cross.attention.out.bias)

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        condition: Float[Tensor, "b c"],
        context: Float[Tensor, "b m f"] | None = None,
        hidden: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b l w"]:
        gain1, bias1, gate1, gain2, bias2, gate2 = self.knobs(silu(condition))[:, None].chunk(6, dim=-1)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + gain1) + bias1)
        if self.cross is not None:
            x = x + self.cross(x, context, hidden)
        return x + gate2 * self.mlp(self.norm2(x) * (1 + gain2) + bias2)
