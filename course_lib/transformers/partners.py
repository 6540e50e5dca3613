"""How far can a network look? A task on which a convolution of equal depth must fail.

A grid with a few pairs of marks. The two marks of a pair bear the same key, and each has a colour of its own,
drawn independently. Each mark must tell the colour of its partner, wherever that stands:

    . . . . . . A1 .         the partner of A1 is A3: answer 3
    . B2 . . . . . .         and that of A3 is A1:    answer 1
    . . . . A3 . . B0

A 3 x 3 convolution sees its eight neighbours; a stack of `depth` sees a square of 2 depth + 1. If the partner
stands beyond it, the answer is not in what the network sees, and no training helps: it is right by chance, once in
COLOURS. Attention compares each place with every other in its first layer, and what it compares is content: a key.

The distance of two marks is the larger of their distances in rows and in columns, so a partner at a distance of
`depth` is the last that the convolution can see. To see it is not to understand it: a much deeper one gets further,
but slowly, since the key and the colour must be handed on from place to place.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.transformers.blocks import Block
from course_lib.transformers.positions import grid

SIDE, PAIRS, KEYS, COLOURS = 16, 4, 8, 4
NONE = -1  # the target where there is no mark


class Puzzles(NamedTuple):
    """Grids and their answers.

    Attributes
    ----------
    keys : Tensor, int64, (N, SIDE, SIDE)
        0 where nothing stands, else 1..KEYS; no two pairs of a grid bear the same key.
    colours : Tensor, int64, (N, SIDE, SIDE)
        0 where nothing stands, else 1..COLOURS.
    targets : Tensor, int64, (N, SIDE, SIDE)
        The partner's colour as 0..COLOURS-1, NONE where nothing stands.
    where : Tensor, int64, (N, PAIRS, 2)
        Where the two marks of each pair stand, as SIDE * row + column.
    """

    keys: Tensor
    colours: Tensor
    targets: Tensor
    where: Tensor

    @property
    def x(self) -> Int[Tensor, "n 2 s s"]:
        """What a network sees: keys and colours."""
        return torch.stack([self.keys, self.colours], dim=1)

    @property
    def distance(self) -> Int[Tensor, "n p"]:
        """How far apart the marks of each pair stand: the larger of rows and columns, 1 to SIDE - 1."""
        rows, columns = self.where // SIDE, self.where % SIDE
        return torch.maximum(rows.diff(dim=2).abs(), columns.diff(dim=2).abs())[..., 0]


def partners(n: int, seed: int) -> Puzzles:
    """Draw grids: keys, colours and the distances of partners are uniform.

    Parameters
    ----------
    n : int
        At least 1.
    seed : int

    Examples
    --------
    >>> puzzles = partners(100, seed=0)
    >>> puzzles.keys.shape, (puzzles.keys > 0).sum().item() == 100 * 2 * PAIRS
    (torch.Size([100, 16, 16]), True)
    """
    if n < 1:
        raise ValueError(f"n must be at least 1 grid, got {n}")
    rng = torch.Generator().manual_seed(seed)
    where = _places(n, rng)
    keys = 1 + torch.rand(n, KEYS, generator=rng).argsort(dim=1)[:, :PAIRS, None].expand(-1, -1, 2)
    colours = torch.randint(1, COLOURS + 1, (n, PAIRS, 2), generator=rng)
    return Puzzles(_put(keys, where, 0), _put(colours, where, 0), _put(colours.flip(2) - 1, where, NONE), where)


def _places(n: int, rng: torch.Generator) -> Int[Tensor, "n p 2"]:
    """Where the marks of each pair stand, no two on one place."""
    where = _loose_places(n, rng)
    while (clash := (where.flatten(1).sort(dim=1).values.diff(dim=1) == 0).any(dim=1)).any():
        where[clash] = _loose_places(int(clash.sum()), rng)
    return where


def _loose_places(n: int, rng: torch.Generator) -> Int[Tensor, "n p 2"]:
    """The same, but two pairs may cross."""
    far = torch.randint(1, SIDE, (n, PAIRS), generator=rng)
    near = (torch.rand(n, PAIRS, generator=rng) * (2 * far + 1)).long() - far  # the way along the other axis
    upright = torch.rand(n, PAIRS, 1, generator=rng) < 0.5
    way = torch.where(upright, torch.stack([far, near], dim=2), torch.stack([near, far], dim=2))
    first = (torch.rand(n, PAIRS, 2, generator=rng) * (SIDE - way.abs())).long() - way.clamp(max=0)
    row, column = torch.stack([first, first + way], dim=2).unbind(dim=3)
    return SIDE * row + column


def _put(values: Int[Tensor, "n p 2"], where: Int[Tensor, "n p 2"], nothing: int) -> Int[Tensor, "n s s"]:
    empty = torch.full((len(where), SIDE**2), nothing)
    return empty.scatter(1, where.flatten(1), values.flatten(1)).unflatten(1, (SIDE, SIDE))


def batches(size: int, seed: int = 0) -> Iterator[Batch]:
    """Endless fresh grids x, int64 (size, 2, SIDE, SIDE), with their targets y, int64 (size, SIDE, SIDE)."""
    step = 0
    while True:
        puzzles = partners(size, seed * 1_000_003 + step)
        yield Batch(puzzles.x, puzzles.targets)
        step += 1


class Matcher(Model):
    """What both networks share: marks become vectors, a body mixes them, each place names a colour.

    Parameters
    ----------
    width : int
        Features a place.
    config : dict
        What the subclass was built from.
    """

    def __init__(self, width: int, config: dict) -> None:
        super().__init__(**config)
        self.key, self.colour = nn.Embedding(KEYS + 1, width), nn.Embedding(COLOURS + 1, width)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, COLOURS)

    def body(self, h: Float[Tensor, "b s s w"]) -> Float[Tensor, "b s s w"]:
        """Mix what stands at the places."""
        raise NotImplementedError

    def forward(self, x: Int[Tensor, "b 2 s s"]) -> Float[Tensor, "b k s s"]:
        """Grids -> the logits of the partner's colour, at every place."""
        h = self.key(x[:, 0]) + self.colour(x[:, 1])
        return self.head(self.norm(self.body(h))).movedim(-1, 1)

    def check(self, batch: Batch) -> None:
        n = len(batch.x)
        if batch.x.shape != (n, 2, SIDE, SIDE) or batch.y.shape != (n, SIDE, SIDE) or batch.x.dtype != torch.int64:
            raise ValueError(
                f"x must be int64 (B, 2, {SIDE}, {SIDE}) and y (B, {SIDE}, {SIDE}), as `batches` makes them, "
                f"got {batch.x.dtype} {tuple(batch.x.shape)} and {tuple(batch.y.shape)}"
            )

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a mark; `right` is the share of marks whose partner's colour is told."""
        logits = self(batch.x).float()
        right = (logits.argmax(1) == batch.y)[batch.y != NONE].float().mean()
        return {"loss": cross_entropy(logits, batch.y, ignore_index=NONE), "right": right}


class Attending(Matcher):
    """By attention: each block compares every place with every other.

    Parameters
    ----------
    width, depth, heads : int
    """

    def __init__(self, width: int = 32, depth: int = 2, heads: int = 2) -> None:
        super().__init__(width, {"width": width, "depth": depth, "heads": heads})
        self.register_buffer("places", grid(SIDE, SIDE, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def body(self, h: Float[Tensor, "b s s w"]) -> Float[Tensor, "b s s w"]:
        h = h.flatten(1, 2) + self.places
        for block in self.blocks:
            h = block(h)
        return h.unflatten(1, (SIDE, SIDE))

    @torch.no_grad()
    def looks(self, x: Int[Tensor, "b 2 s s"]) -> list[Float[Tensor, "b h l l"]]:
        """Where each place looks, a tensor a block."""
        for block in self.blocks:
            block.attention.seen = []
        self(x)
        seen = [block.attention.seen[0] for block in self.blocks]
        for block in self.blocks:
            block.attention.seen = None
        return seen


class Convolving(Matcher):
    """By 3 x 3 convolutions, each in a residual branch; with 9/8 of the width, about as many parameters.

    Parameters
    ----------
    width, depth : int
    """

    def __init__(self, width: int = 36, depth: int = 2) -> None:
        super().__init__(width, {"width": width, "depth": depth})
        self.blocks = nn.ModuleList(Neighbours(width) for _ in range(depth))

    def body(self, h: Float[Tensor, "b s s w"]) -> Float[Tensor, "b s s w"]:
        for block in self.blocks:
            h = block(h)
        return h


class Neighbours(nn.Module):
    """A change to each place that depends on its neighbours; the norm is that of each place, so it sees no further."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Float[Tensor, "b s s w"]) -> Float[Tensor, "b s s w"]:
        return h + gelu(self.mix(self.norm(h).movedim(-1, 1))).movedim(1, -1)


@torch.no_grad()
def told(model: Matcher, puzzles: Puzzles) -> Bool[Tensor, "n p 2"]:
    """Which marks' answers are right."""
    right = (model(puzzles.x.to(model.device)).argmax(1).cpu() == puzzles.targets).flatten(1)
    return right.gather(1, puzzles.where.flatten(1)).unflatten(1, (PAIRS, 2))


def share_of_partner(weights: Float[Tensor, "n h l l"], puzzles: Puzzles) -> Float[Tensor, "n h p 2"]:
    """The weight that each mark gives to its partner, of 1 in all, in each head."""
    here, there = puzzles.where.flatten(1), puzzles.where.flip(2).flatten(1)
    rows = torch.arange(len(here))[:, None]
    return weights[rows, :, here, there].mT.unflatten(2, (PAIRS, 2))
