"""One token after the other, row by row: an image as a sentence.

    p(tokens) = prod_i p(token_i | those before it)

The chain rule is no approximation, so the negative log-likelihood is exact, one softmax a token. In training
all places are predicted at once, under a mask that hides what comes later. In sampling one goes place by place,
and what the earlier places offer to be looked at, their keys and values, is kept rather than computed anew.

van den Oord et al. 2016, Pixel Recurrent Neural Networks; Esser et al. 2021, Taming Transformers.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.data.images import Batch
from course_lib.nn.attention import Cache, causal
from course_lib.transformers.blocks import Block
from course_lib.transformers.positions import grid
from course_lib.transformers.prior import TokenPrior, drawn


class Raster(TokenPrior):
    """An autoregressive transformer over tokens in raster order; `TokenPrior` lists the parameters."""

    def __init__(
        self, codes: int = 256, side: int = 7, width: int = 128, depth: int = 4, heads: int = 4, classes: int = 10
    ) -> None:
        super().__init__(codes, side, width, depth, heads, classes)
        self.token, self.label = nn.Embedding(codes, width), nn.Embedding(classes, width)
        self.register_buffer("places", grid(side, side, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, codes)

    def logits(self, tokens: Int[Tensor, "b l"], y: Int[Tensor, " b"]) -> Float[Tensor, "b l k"]:
        """What each place expects, given the label and the tokens before it: all places at once."""
        before = torch.cat([self.label(y)[:, None], self.token(tokens[:, :-1])], dim=1)
        x = before + self.places[: tokens.shape[1]]
        mask = causal(x.shape[1], x.device)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))

    def following(self, last: Float[Tensor, "b w"], place: int, caches: list[Cache]) -> Float[Tensor, "b k"]:
        """The same for one place only: `last` is the embedding of what stands before it, the caches know the rest."""
        x = (last + self.places[place])[:, None]
        for block, cache in zip(self.blocks, caches):
            x = block(x, cache=cache)
        return self.head(self.norm(x))[:, 0]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a token (Esser et al. 2021, eq. 9)."""
        tokens, y = batch
        rows = tokens.flatten(1)
        return {"loss": cross_entropy(self.logits(rows, y).float().flatten(0, 1), rows.flatten())}

    @torch.no_grad()
    def sample(
        self, n: int, y: Int[Tensor, " n"] | None = None, *, temperature: float = 1.0
    ) -> Iterator[Int[Tensor, "n h w"]]:
        """Draw maps of tokens, one token a step.

        Parameters
        ----------
        n : int
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        temperature : float
            1 is the model itself.

        Yields
        ------
        Tensor, int64, (n, side, side)
            What is drawn so far, -1 where nothing is yet; the last is the result.
        """
        y = self.begin(n, y)
        tokens = torch.full((n, self.side**2), -1, device=y.device)
        caches = [Cache(self.side**2) for _ in self.blocks]
        last = self.label(y)
        for place in range(self.side**2):
            tokens[:, place] = drawn(self.following(last, place, caches), temperature)
            last = self.token(tokens[:, place])
            yield tokens.reshape(n, self.side, self.side).clone()
