"""What a frame says that its past did not say.

It is said in latents: some for the whole frame, some for each of its places. A posterior, which sees the frame, says
it; a prior, which does not, draws what might be said. Both sayings begin as something that one can name, and training
goes on from there: the frame's first two latents are how far it moved, a place's latents are what the painted frame
still lacks there. What is said in one place goes with what is said in others, so the prior is a flow over all latents
of a frame together.

Denton & Fergus 2018, Stochastic Video Generation with a Learned Prior; Yang, Srivastava & Mandt 2022, Diffusion
Probabilistic Modeling for Video Generation (the residual of a prediction); Peebles & Xie 2023 (the prior's blocks).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from course_lib.nn.attention import MultiHead
from course_lib.nn.embeddings import sinusoidal
from course_lib.ssms.video.painting import REACH
from course_lib.ssms.video.predictor import spatial

Grid = Float[Tensor, "n i j w"]  # of each place; of the whole frame, if there is but one
Tokens = Float[Tensor, "n k l"]  # latents of the frame, then of its places row by row
UNIT = 2.0  # pixels of movement, and spreads of the codec, that are one unit of a latent
SURE = 20.0  # how much likelier the nearest whole movement is than the others: see `likely_moves`
COPIED = 4.0  # what is said to move is copied from the frame before rather than drawn: in logits


class Posterior(nn.Module):
    """Mean and log-variance of latents, from features that have seen the frame; they begin at a guess.

    With weights (N, I, J, 1) the places are averaged, and the latents are those of the frame.
    """

    def __init__(self, width: int, latents: int, hidden: int = 28) -> None:
        super().__init__()
        self.enter, self.near = nn.Linear(width, hidden), nn.Conv2d(hidden, hidden, 3, padding=1)
        self.out = nn.Linear(hidden, 2 * latents)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[latents:], -4.0)

    def forward(self, x: Grid, guess: Grid, weight: Grid | None = None) -> tuple[Grid, Grid]:
        y = silu(spatial(self.near, silu(self.enter(x))))
        if weight is not None:
            y = (y * weight).sum((1, 2), keepdim=True)
        mean, log_variance = self.out(y).float().chunk(2, -1)
        return mean + guess, log_variance.clamp(-10, 5)


class Movement(nn.Module):
    """What is made of the frame's latents: features that know of it, and for the painter how each place moves."""

    def __init__(self, width: int, latents: int, hidden: int = 28) -> None:
        super().__init__()
        self.enter, self.whole = nn.Linear(width, hidden), nn.Linear(latents, hidden, bias=False)
        self.out, self.open = nn.Linear(hidden, width), nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Grid, z: Float[Tensor, "n 1 1 l"]) -> tuple[Grid, Grid]:
        said = self.out(silu(self.enter(features) + self.whole(z)))
        moves = likely_moves(z[..., :2].float() * UNIT)
        moves = torch.cat([moves, torch.full_like(moves[..., :1], COPIED)], -1)
        return features + said, self.open(features).float().sigmoid() * moves


class Correction(nn.Module):
    """What is made of the places' latents: what is to be added to the codec's."""

    def __init__(self, width: int, latents: int, rank: int, hidden: int = 40) -> None:
        super().__init__()
        self.enter, self.near = nn.Linear(width + latents, hidden), nn.Conv2d(hidden, hidden, 3, padding=1)
        self.out, self.open = nn.Linear(hidden, rank), nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Grid, z: Grid) -> Grid:
        y = silu(self.enter(torch.cat([features, z], -1)))
        said = self.out(silu(spatial(self.near, y))).float()
        return self.open(features).float().sigmoid() * (pad(z * UNIT, (0, said.shape[-1] - z.shape[-1])) + said)


class Prior(nn.Module):
    """The velocity of a flow over the latents of a frame, given the features of its past."""

    def __init__(self, width: int, latents: int, hidden: int = 44, depth: int = 3) -> None:
        super().__init__()
        self.enter, self.given = nn.Linear(latents, hidden), nn.Linear(width, hidden)
        self.frame = nn.Parameter(torch.randn(hidden))
        self.time = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU())
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(depth))
        self.norm, self.out = nn.LayerNorm(hidden), nn.Linear(hidden, latents)

    def forward(self, z: Tokens, t: Float[Tensor, " n"], features: Grid) -> Tokens:
        time, given = self.time(sinusoidal(t, len(self.frame))), self.given(features)
        whole = given.mean((1, 2)) + self.frame
        x = self.enter(z) + torch.cat([whole[:, None], given.flatten(1, 2)], 1)
        for block in self.blocks:
            x = block(x, time, features.shape[1:3])
        return self.out(self.norm(x)).float()


class Block(nn.Module):
    """All tokens by attention, then neighbouring places by a convolution; the time by gains and shifts."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.time, self.attention = nn.Linear(width, 4 * width), MultiHead(width, heads)
        self.each, self.near = nn.Linear(width, width), nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tokens, time: Float[Tensor, "n w"], sides: tuple[int, int]) -> Tokens:
        gain, shift, later_gain, later_shift = self.time(time)[:, None].chunk(4, -1)
        x = x + self.attention(self.norms[0](x) * (1 + gain) + shift)
        y = self.norms[1](x) * (1 + later_gain) + later_shift
        near = spatial(self.near, y[:, 1:].unflatten(1, sides)).flatten(1, 2)
        return x + self.out(silu(self.each(y) + pad(near, (0, 0, 1, 0))))


def seen_movement(likely: Grid) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n i j 1"]]:
    """How far a frame moved to the right and down, and how much each place has to say about it.

    Parameters
    ----------
    likely : Tensor, (N, I, J, 2 (2R + 1))
        As `matches` gives it. A place where all movements are alike has nothing to say.

    Examples
    --------
    >>> from course_lib.ssms.video.matching import matches
    >>> before = torch.rand(1, 1, 32, 32)
    >>> move, weight = seen_movement(matches(before.roll((2, -1), (2, 3)), before, patch=4))
    >>> move.round().tolist(), weight.sum().round().item()
    ([[-1.0, 2.0]], 1.0)
    """
    steps = torch.arange(-REACH, REACH + 1, device=likely.device)
    shares = likely.unflatten(-1, (2, -1)).softmax(-1)
    weight = (SURE * shares.amax(-1).sum(-1)).flatten(1).softmax(-1).view(*likely.shape[:3], 1)
    return ((shares * steps).sum(-1) * weight).sum((1, 2)), weight


def likely_moves(moves: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n k"]:
    """Logarithms, up to a constant, of how likely each movement by -R .. R is the one that is meant.

    Those of a Gaussian around it: so the nearest whole one is taken, and a little noise changes nothing.

    Examples
    --------
    >>> likely_moves(torch.tensor([1.2, -2.9])).unflatten(-1, (2, -1)).softmax(-1).amax(-1)
    tensor([0.9975, 0.9997])
    """
    steps = torch.arange(-REACH, REACH + 1, device=moves.device)
    return (SURE * (moves[..., None] * steps - steps**2 / 2)).flatten(-2)


def tokens(frame: Grid, places: Grid) -> Tokens:
    """The frame's latents, then those of its places."""
    return torch.cat([frame.flatten(1, 2), places.flatten(1, 2)], 1)


def parted(z: Tokens, sides: tuple[int, int]) -> tuple[Grid, Grid]:
    """The inverse of `tokens`.

    Examples
    --------
    >>> z = torch.randn(2, 1 + 6, 4)
    >>> torch.equal(tokens(*parted(z, (2, 3))), z)
    True
    """
    return z[:, :1, None], z[:, 1:].unflatten(1, sides)
