"""First the whole, then the parts: an image as maps of 1 x 1, 2 x 2, 4 x 4 and 7 x 7 tokens.

A painter blocks in before drawing. The same tokenizer that makes 7 x 7 tokens of an image makes fewer of a
smaller copy of it. A decoder goes from scale to scale: all tokens of a scale are drawn at once, given all
coarser ones, of which each place sees the one that covers it, enlarged, as its first idea. Four network
evaluations an image, whatever its size is; within a scale the tokens are drawn independently of each other,
which is what it costs.

    p = prod_s prod_i p(token_{s,i} | all coarser maps)

Tian et al. 2024, Visual Autoregressive Modeling, eq. 5 (there each finer scale codes the residual of the coarser
ones; here each scale is an image of its own, with the tokenizer that we have).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from course_lib.data.images import Batch
from course_lib.nn.attention import Cache
from course_lib.transformers.blocks import Block
from course_lib.transformers.positions import grid
from course_lib.transformers.prior import TokenPrior, TokenSet, drawn
from course_lib.vaes.quantise import check_tokens
from course_lib.vaes.tokenizer import Tokenizer
from course_lib.vaes.tokens import Tokens

SIDES = (1, 2, 4, 7)
PATCH = 4  # pixels a token, each way


class Scales(TokenPrior):
    """A transformer from scale to scale.

    Its batches hold all maps of an image in a row, coarsest first: int64 (B, 70), as `pyramid` makes them.
    `TokenPrior` lists the parameters; `side` is that of the finest map.
    """

    def __init__(
        self, codes: int = 256, side: int = 7, width: int = 128, depth: int = 4, heads: int = 4, classes: int = 10
    ) -> None:
        super().__init__(codes, side, width, depth, heads, classes)
        if side != SIDES[-1]:
            raise ValueError(f"the finest map is {SIDES[-1]} x {SIDES[-1]}, got side = {side}")
        self.token, self.label = nn.Embedding(codes, width), nn.Embedding(classes, width)
        self.scale = nn.Embedding(len(SIDES), width)
        places = [grid(s, s, width) if s > 1 else torch.zeros(1, width) for s in SIDES]
        self.register_buffer("places", torch.cat(places), persistent=False)
        self.register_buffer("mask", staircase(), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, codes)

    def check(self, batch: Batch) -> None:
        tokens, y = batch
        if tokens.dtype != torch.int64 or tokens.shape[1:] != (sum(s * s for s in SIDES),):
            raise ValueError(f"tokens must be int64 (B, 70), by `pyramid`, got {tokens.dtype} {tuple(tokens.shape)}")
        check_tokens(tokens, self.codes)
        self.check_labels(len(tokens), y)

    def logits(self, tokens: Int[Tensor, "b l"], y: Int[Tensor, " b"]) -> Float[Tensor, "b l k"]:
        """What each place of each scale expects, given the coarser scales: all at once."""
        maps = tokens.split([s * s for s in SIDES], dim=1)
        x = torch.cat([self._idea(scale, maps[scale - 1] if scale else None, y) for scale in range(len(SIDES))], dim=1)
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.norm(x))

    def _idea(self, scale: int, coarser: Int[Tensor, "b n"] | None, y: Int[Tensor, " b"]) -> Float[Tensor, "b m w"]:
        """The input of a scale: what covers each place in the next coarser map, where it is, and the label."""
        side, start = SIDES[scale], sum(s * s for s in SIDES[:scale])
        x = self.places[start : start + side * side] + self.scale.weight[scale] + self.label(y)[:, None]
        if coarser is None:
            return x
        old = SIDES[scale - 1]
        seen = self.token(coarser).mT.unflatten(2, (old, old))
        return x + interpolate(seen.float(), size=(side, side), mode="nearest").flatten(2).mT

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a token over all scales; `finest` are those of the 7 x 7 tokens alone."""
        tokens, y = batch
        nats = cross_entropy(self.logits(tokens, y).float().mT, tokens, reduction="none")
        return {"loss": nats.mean(), "finest": nats[:, -(self.side**2) :].mean()}

    @torch.no_grad()
    def sample(
        self, n: int, y: Int[Tensor, " n"] | None = None, *, temperature: float = 1.0
    ) -> Iterator[Int[Tensor, "n l"]]:
        """Draw all maps, one scale a step.

        Parameters
        ----------
        n : int
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        temperature : float
            1 is the model itself.

        Yields
        ------
        Tensor, int64, (n, 1), (n, 5), (n, 21), (n, 70)
            The maps so far in a row; `finest` takes the last one out of the result.
        """
        y = self.begin(n, y)
        caches = [Cache(len(self.places)) for _ in self.blocks]
        maps: list[Tensor] = []
        for scale in range(len(SIDES)):
            x = self._idea(scale, maps[-1] if maps else None, y)
            for block, cache in zip(self.blocks, caches):
                x = block(x, cache=cache)  # within a scale all look at all, so no mask is needed
            maps.append(drawn(self.head(self.norm(x)), temperature))
            yield torch.cat(maps, dim=1)


def staircase() -> Bool[Tensor, "l l"]:
    """The mask: each place looks at its own scale and at all coarser ones."""
    scale = torch.cat([torch.full((s * s,), i) for i, s in enumerate(SIDES)])
    return scale[:, None] >= scale


def finest(tokens: Int[Tensor, "n l"]) -> Int[Tensor, "n h w"]:
    """The 7 x 7 tokens of each row of maps."""
    return tokens[:, -(SIDES[-1] ** 2) :].unflatten(1, (SIDES[-1], SIDES[-1]))


@torch.no_grad()
def pyramid(tokenizer: Tokenizer, tokens: Int[Tensor, "n h w"]) -> Int[Tensor, "n l"]:
    """All maps of images that are given as 7 x 7 tokens: decode, shrink, encode.

    Parameters
    ----------
    tokenizer : Tokenizer
        That made the tokens; it is convolutional, so it takes smaller images too.
    tokens : Tensor, int64, (N, 7, 7)

    Returns
    -------
    Tensor, int64, (N, 70)
    """
    if tokens.shape[1:] != (SIDES[-1], SIDES[-1]):
        raise ValueError(f"tokens must be (N, {SIDES[-1]}, {SIDES[-1]}), got {tuple(tokens.shape)}")
    images = tokenizer.decode(tokens)
    maps = [_encoded(tokenizer, images, side) for side in SIDES[:-1]]
    return torch.cat([*maps, tokens.flatten(1)], dim=1)


def _encoded(tokenizer: Tokenizer, images: Float[Tensor, "n c h w"], side: int) -> Int[Tensor, "n l"]:
    small = interpolate(images, size=(PATCH * side, PATCH * side), mode="bilinear", antialias=True)
    return tokenizer.quantiser.nearest(tokenizer.encoder(small).float().movedim(1, -1)).flatten(1)


def pyramids(tokenizer: Tokenizer, images: Tokens) -> TokenSet:
    """The maps of a whole set; a minute and a half for 60,000 images on a CPU core."""
    rows = [pyramid(tokenizer, part) for part in images.tokens.split(500)]
    return TokenSet(torch.cat(rows), images.labels)
