"""What the three decoders of tokens share: images as maps of code numbers, a label, and how one draws.

`vaes.tokenizer` turned an image into 7 x 7 code numbers. A prior says which maps are likely: it is a model
whose "images" are such maps, int64 (B, H, W), and whose samples the tokenizer decodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.data.images import Batch, expect, shuffled
from course_lib.model import Model, check_labels
from course_lib.vaes.quantise import check_tokens


@dataclass(frozen=True, eq=False)
class TokenSet:
    """Images as tokens, with labels.

    Parameters
    ----------
    tokens : Tensor, int64, (N, ...)
    labels : Tensor, int64, (N,)
    """

    tokens: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        expect("labels", self.labels, torch.int64, (len(self.tokens),))

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Self:
        return type(self)(self.tokens.to(device), self.labels.to(device))

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of tokens x and labels y; see `Images.batches`."""
        return (Batch(self.tokens[i], self.labels[i]) for i in shuffled(self.labels, size, seed))


class TokenPrior(Model):
    """A distribution over maps of tokens, given a label.

    Parameters
    ----------
    codes : int
        Tokens are 0..codes-1.
    side : int
        Maps are (side, side).
    width, depth, heads : int
        Of the transformer.
    classes : int
        Labels 0..classes-1.
    """

    def __init__(self, codes: int, side: int, width: int, depth: int, heads: int, classes: int) -> None:
        sizes = {"codes": codes, "side": side, "width": width, "depth": depth, "heads": heads, "classes": classes}
        if min(sizes.values()) < 1 or width % 4:
            raise ValueError(f"all sizes must be at least 1 and the width a multiple of 4, got {sizes}")
        super().__init__(**sizes)
        self.codes, self.side, self.classes = codes, side, classes

    def check(self, batch: Batch) -> None:
        tokens, y = batch
        expect("tokens", tokens, torch.int64, ("B", self.side, self.side))
        check_tokens(tokens, self.codes)
        self.check_labels(len(tokens), y)

    def check_labels(self, n: int, y: Tensor) -> None:
        """Raise a ValueError unless these are labels of n maps."""
        check_labels(y, n, self.classes, each="a map")

    def begin(self, n: int, y: Int[Tensor, " n"] | None) -> Int[Tensor, " n"]:
        """Labels to draw for: those given, checked, or the classes in turn."""
        if n < 1:
            raise ValueError(f"n must be at least 1 map, got {n}")
        y = torch.arange(n, device=self.device) % self.classes if y is None else y
        self.check_labels(n, y)
        self.eval()
        return y


def drawn(logits: Float[Tensor, "*b k"], temperature: float = 1.0) -> Int[Tensor, "*b"]:
    """A code from each row of logits; the lower the temperature, the more often the likeliest.

    Adding Gumbel noise and taking the largest draws from the softmax exactly (Gumbel 1954), and needs no
    probabilities.
    """
    if not temperature >= 0:
        raise ValueError(f"the temperature must be 0 or more, got {temperature}")
    return (logits.float() + temperature * gumbel(logits.float())).argmax(dim=-1)


def gumbel(like: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Gumbel noise of a tensor's shape: -log(-log(u)), u uniform in (0, 1)."""
    return -(-torch.rand_like(like).clamp(1e-20, 1 - 1e-7).log()).log()
