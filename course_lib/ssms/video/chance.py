"""What a frame says that its past did not say, in two sentences.

First how the frame moves as a whole. Of that there are few ways, so the past needs only a probability for each of
them; which one it was can be read off the frame and the one before it. Then what the frame that is painted by this
movement still lacks: lamps, or before the first frame everything. Of that there are more ways than can be counted, so
it is drawn by a flow over all pixels together, in units of how wrong the painter usually is at each of them: where it
is always right there is nothing left to draw.

Bruce et al. 2024, Genie: Generative Interactive Environments (one of a few movements, inferred from two frames; ours
are not learned); Yang, Srivastava & Mandt 2022, Diffusion Probabilistic Modeling for Video Generation (the residual).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad, pixel_shuffle, pixel_unshuffle, silu

from course_lib.nn.embeddings import TimeEmbedding
from course_lib.nn.unet import ResBlock
from course_lib.ssms.video.painting import MOVES, REACH, commonest
from course_lib.ssms.video.predictor import spatial

Grid = Float[Tensor, "n i j w"]
Frames = Float[Tensor, "n c h w"]
Which = Int[Tensor, " n"]  # of the movements: by -R .. R pixels to the right, and by each of these down, row by row
WAYS = 2 * REACH + 1
STAYS = WAYS**2 // 2
SURE = 20.0  # how much likelier the movement that was told is than the others, in nats
COPIED = 4.0  # what is said to move is copied from the frame before rather than drawn, in nats
LEAST = 5.0  # a movement that was not seen may come all the same: minus its logarithm
RATHER = 0.1  # a movement counts as seen if it leaves less than this share of what had changed


class Movement(nn.Module):
    """The logits of each way in which the next frame may move; they begin with the guess that it goes on moving.

    Parameters
    ----------
    width : int
        Features of a place; the last `MOVES` of them say how it has just moved (`matching`).
    """

    def __init__(self, width: int, hidden: int = 48) -> None:
        super().__init__()
        self.enter, self.near = nn.Linear(width, hidden), nn.Conv2d(hidden, hidden, 3, padding=1)
        self.whole, self.out = nn.Linear(hidden + MOVES, hidden), nn.Linear(hidden, WAYS**2)
        self.say, self.hear = nn.Embedding(WAYS**2, hidden), nn.Linear(hidden, width)
        self.open = nn.Linear(width, 1)
        for layer in (self.out, self.hear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Grid) -> Float[Tensor, "n k"]:
        right, down = last_movement(features[..., -MOVES:])
        y = silu(spatial(self.near, silu(self.enter(features)))).amax((1, 2))  # what is seen anywhere
        y = silu(self.whole(torch.cat([y, right, down], 1)))
        return self.out(y).float() + (right[:, None] + down[:, :, None]).flatten(1)

    def told(self, features: Grid, which: Which) -> tuple[Grid, Grid]:
        """Features that know how the frame moves; and, in each place that has ears for it, what the painter is told."""
        known = features + self.hear(silu(self.enter(features) + self.say(which)[:, None, None]))
        moves = SURE * torch.cat([one_hot(which % WAYS, WAYS), one_hot(which // WAYS, WAYS)], -1).float()
        return known, self.open(known).float().sigmoid() * pad(moves, (0, 1), value=COPIED)[:, None, None]


def last_movement(likely: Grid) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
    """What all places together say of how the whole frame has just moved to the right, and down; as logarithms.

    Those that saw nothing move find all movements alike, and so have no say in the sum.

    Examples
    --------
    >>> from course_lib.ssms.video.matching import matches
    >>> before = torch.rand(1, 1, 32, 32)
    >>> likely = matches(before.roll((2, -1), (2, 3)), before, patch=4)
    >>> [axis.argmax().item() - REACH for axis in last_movement(likely)]
    [-1, 2]
    """
    axes = likely.float().sum((1, 2)).unflatten(-1, (2, WAYS)).log_softmax(-1)
    return axes.clamp(min=-LEAST).unbind(1)


class Residual(nn.Module):
    """The velocity of a flow over what painted frames lack, given the features of their past.

    Parameters
    ----------
    channels, patch : int
        Of a frame; pixels a side of the place that a feature belongs to, an even number.
    features : int
        How many there are of a place.
    width, depth : int
        Channels for each 2 x 2 pixels; residual blocks.
    """

    def __init__(self, channels: int, patch: int, features: int, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.fine = patch // 2
        self.fold = nn.Conv2d(4 * 4 * channels, width, 3, padding=1)
        self.given = nn.Conv2d(features, self.fine**2 * width, 1)
        self.time = TimeEmbedding(2 * width)
        self.blocks = nn.ModuleList(ResBlock(width, width, 2 * width) for _ in range(depth))
        self.norm, self.unfold = nn.GroupNorm(1, width), nn.Conv2d(width, 4 * channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Frames, t: Float[Tensor, " n"], frames: Frames, features: Grid) -> Frames:
        """`frames` are what is seen at each pixel: what was painted, its spread, and the frame before."""
        h = self.fold(pixel_unshuffle(torch.cat([z, frames], 1), 2))
        h = h + pixel_shuffle(self.given(features.movedim(-1, 1)), self.fine)
        time = silu(self.time(t))
        for block in self.blocks:
            h = block(h, time)
        return pixel_shuffle(self.unfold(silu(self.norm(h))), 2).float()


def hues(channels: int) -> Float[Tensor, "c c"]:
    """Grey, then what colours differ by: the rows are orthonormal, those of the cosine transform.

    Lamps differ in how bright they are and hardly in colour. So in these coordinates, each with a spread of its own,
    noise in all of them is no noise in all colours.

    Examples
    --------
    >>> hues(3)[0], torch.dist(hues(3) @ hues(3).T, torch.eye(3)) < 1e-6
    (tensor([0.5774, 0.5774, 0.5774]), tensor(True))
    """
    k, c = torch.arange(channels)[:, None], torch.arange(channels) + 0.5
    rows = torch.cos(torch.pi * k * c / channels)
    return rows / rows.norm(dim=1, keepdim=True)


@torch.no_grad()
def seen_movement(now: Frames, before: Frames) -> Which:
    """The movement of the whole frame that explains it, or `STAYS` if none does.

    Examples
    --------
    >>> before = torch.rand(1, 1, 32, 32)
    >>> which = seen_movement(before.roll((2, -1), (2, 3)), before)
    >>> (which % WAYS - REACH).item(), (which // WAYS - REACH).item()
    (-1, 2)
    """
    ground, (height, width) = commonest(before), now.shape[-2:]
    now, wide = now - ground, pad(before - ground, 4 * [REACH])
    windows = (wide[..., y : y + height, x : x + width] for y in reversed(range(WAYS)) for x in reversed(range(WAYS)))
    errors = torch.stack([(now - window).square().mean((1, 2, 3)) for window in windows], 1)
    errors[:, STAYS] *= RATHER
    return errors.argmin(1)
