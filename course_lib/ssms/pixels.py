"""An image as one long line of pixels, told from the first to the last.

    p(image | label) = prod_i p(pixel_i | those before it)

No tokenizer, no patches: each pixel is a word, its grey levels are the vocabulary, and -log2 p, divided by the number
of pixels, is exactly how many bits a pixel costs. A transformer can be asked the same question; it keeps every pixel
that it has seen, where a state space model keeps a state whose size never changes.

van den Oord et al. 2016, Pixel Recurrent Neural Networks; Gu et al. 2022, Efficiently Modeling Long Sequences with
Structured State Spaces, section 4.3.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.data.images import Batch
from course_lib.model import Model, check_labels
from course_lib.ssms.backbone import Stack
from course_lib.ssms.mamba import Mamba
from course_lib.ssms.mamba2 import Mamba2
from course_lib.ssms.s4block import S4Block


class Pixels(Model):
    """A distribution over small images in few grey levels, pixel by pixel.

    Parameters
    ----------
    width : int
    mixers : sequence of Mixer
    config : dict
        What the subclass was built from.
    levels : int
        Grey levels, evenly from -1 to 1.
    side : int
        Images are (side, side).
    classes : int
        Labels 0..classes-1.
    """

    def __init__(
        self, width: int, mixers: Sequence[nn.Module], config: dict, levels: int = 17, side: int = 8, classes: int = 10
    ) -> None:
        super().__init__(**config)
        self.levels, self.side, self.classes = levels, side, classes
        self.token, self.label = nn.Embedding(levels, width), nn.Embedding(classes, width)
        # a pixel's place, learned: an SSM can count, but rows and columns need not be counted
        self.place = nn.Parameter(0.02 * torch.randn(side**2, width))
        self.stack, self.norm, self.head = Stack(width, mixers), nn.LayerNorm(width), nn.Linear(width, levels)

    def logits(self, tokens: Int[Tensor, "b l"], y: Int[Tensor, " b"]) -> Float[Tensor, "b l k"]:
        """What each place expects, given the label and the pixels before it: all places at once."""
        before = torch.cat([self.label(y)[:, None], self.token(tokens[:, :-1])], dim=1)
        return self.head(self.norm(self.stack(before + self.place[: tokens.shape[1]])))

    def tokens(self, x: Float[Tensor, "b 1 h w"]) -> Int[Tensor, "b l"]:
        """Images in [-1, 1] as the numbers of their grey levels, row by row."""
        return ((x + 1) / 2 * (self.levels - 1)).round().long().clamp(0, self.levels - 1).flatten(1)

    def images(self, tokens: Int[Tensor, "b l"]) -> Float[Tensor, "b 1 h w"]:
        """Numbers of grey levels as images in [-1, 1]."""
        return (2 * tokens / (self.levels - 1) - 1).unflatten(1, (1, self.side, self.side))

    def check(self, batch: Batch) -> None:
        super().check(batch)
        if batch.x.shape[1:] != (1, self.side, self.side):
            raise ValueError(f"images must be (B, 1, {self.side}, {self.side}), got {tuple(batch.x.shape)}")
        check_labels(batch.y, len(batch.x), self.classes)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a pixel; `bits` is the same in bits (a dimension)."""
        tokens = self.tokens(batch.x)
        nats = cross_entropy(self.logits(tokens, batch.y).float().mT, tokens)
        return {"loss": nats, "bits": nats.detach() / math.log(2)}

    @torch.no_grad()
    def sample(
        self, n: int, y: Int[Tensor, " n"] | None = None, *, temperature: float = 1.0
    ) -> Iterator[Float[Tensor, "n 1 h w"]]:
        """Draw images, a pixel a step, with a memory that does not grow.

        Parameters
        ----------
        n : int
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        temperature : float
            1 is the model itself.

        Yields
        ------
        Tensor, (n, 1, side, side), in [-1, 1]
            What is drawn so far, black where nothing is yet; the last is the result.
        """
        if n < 1 or not temperature > 0:
            raise ValueError(f"n must be 1 image or more and the temperature above 0, got {n} and {temperature}")
        y = torch.arange(n, device=self.device) % self.classes if y is None else y
        check_labels(y, n, self.classes)
        tokens = torch.zeros(n, self.side**2, dtype=torch.int64, device=self.device)
        memory, last = self.stack.begin(n), self.label(y)
        for place in range(self.side**2):
            h, memory = self.stack.step(last + self.place[place], memory)
            chances = (self.head(self.norm(h)) / temperature).softmax(dim=1)
            tokens[:, place] = chances.multinomial(1)[:, 0]
            last = self.token(tokens[:, place])
            yield self.images(tokens)


class MambaPixels(Pixels):
    """By Mamba."""

    def __init__(self, width: int = 64, depth: int = 2, state: int = 16) -> None:
        mixers = [Mamba(width, state) for _ in range(depth)]
        super().__init__(width, mixers, {"width": width, "depth": depth, "state": state})


class Mamba2Pixels(Pixels):
    """By Mamba-2."""

    def __init__(self, width: int = 64, depth: int = 2, state: int = 32) -> None:
        mixers = [Mamba2(width, state) for _ in range(depth)]
        super().__init__(width, mixers, {"width": width, "depth": depth, "state": state})


class S4Pixels(Pixels):
    """By S4D: the same block without choice."""

    def __init__(self, width: int = 64, depth: int = 2, state: int = 32) -> None:
        mixers = [S4Block(width, state) for _ in range(depth)]
        super().__init__(width, mixers, {"width": width, "depth": depth, "state": state})
