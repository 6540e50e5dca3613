"""How wrong is a predicted clip, and wrong in what?

Squared error cannot tell a sharp sprite in the wrong place from a blur. Where the true state is known one can: a
reader finds each known sprite in a frame by matching it at every position, and then the errors have names:
position in pixels, velocity in pixels a frame, sprites too many or too few. On true frames the reader is exact.
Every function gives one number a clip and frame, so that errors are drawn over the horizon.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import conv2d

from course_lib.data.earth import LIT
from course_lib.metrics import ssim

Clip = Float[Tensor, "b t c h w"]
FOUND = 0.5  # of a sprite's own energy that must be accounted for where it is said to be


class Reading(NamedTuple):
    """What a reader saw.

    Attributes
    ----------
    position : Tensor, int64, (B, T, 2)
        x and y of the sprite's upper left corner.
    explained : Tensor, (B, T)
        Share of the sprite's energy that is accounted for there: 1 in a true frame, 0 in an empty one, and less
        where something stands that is no such sprite.
    left : Tensor, (B, T)
        Energy of the frame without that sprite, in units of the sprite's: 1 if there is a second one.
    """

    position: Int[Tensor, "b t 2"]
    explained: Float[Tensor, "b t"]
    left: Float[Tensor, "b t"]

    @property
    def count(self) -> Int[Tensor, "b t"]:
        """Sprites in the frame: the one that was looked for, and what else is as large as one."""
        return (self.explained > FOUND).long() + self.left.round().long()


def sprites_of(first: Float[Tensor, "b c h w"], position: Float[Tensor, "b 2"], side: int) -> Tensor:
    """Cut out the sprite of each clip from a true frame and its known position, (B, C, side, side)."""
    corners = position.long().tolist()
    return torch.stack([frame[:, y : y + side, x : x + side] for frame, (x, y) in zip(first, corners)])


def read(clip: Clip, sprites: Float[Tensor, "b c s s"], ground: float) -> Reading:
    """Find one sprite a clip in each of its frames, wherever the squared error of the frame becomes smallest.

    Parameters
    ----------
    clip : Tensor, (B, T, C, H, W) in [-1, 1]
    sprites : Tensor, (B, C, s, s)
    ground : float
        The value of an empty frame: -1 for clothes, 1 for emoji.

    Raises
    ------
    ValueError
        If there is not one sprite a clip, or one of them is as empty as the ground.

    Examples
    --------
    >>> frame = torch.full((1, 1, 1, 6, 6), -1.0)
    >>> frame[..., 3:5, 1:3] = torch.tensor([[0.5, 1.0], [0.0, 0.5]])
    >>> read(frame, frame[0, :, :, 3:5, 1:3], ground=-1.0).position.tolist()
    [[[1, 3]]]
    """
    if sprites.ndim != 4 or clip.ndim != 5 or len(sprites) != len(clip) or sprites.shape[1] != clip.shape[2]:
        raise ValueError(
            f"need clips (B, T, C, H, W) and a sprite each, got {tuple(clip.shape)}, {tuple(sprites.shape)}"
        )
    shapes, things = sprites - ground, clip - ground
    own = shapes.square().sum((1, 2, 3))
    if not own.all():
        raise ValueError("a sprite that is all ground cannot be found: it is everywhere")
    match = torch.stack([conv2d(x, shape[None])[:, 0] for x, shape in zip(things, shapes)])
    gain = (2 * match.flatten(2) - own[:, None, None]) / own[:, None, None]  # error of the empty frame minus error
    explained, where = gain.max(-1)
    position = torch.stack([where % match.shape[-1], where // match.shape[-1]], -1)
    energy = things.square().sum((2, 3, 4)) / own[:, None]
    return Reading(position, explained, (energy - explained.clamp(min=0)).clamp(min=0))


def position_error(reading: Reading, states: Float[Tensor, "b t 4"]) -> Float[Tensor, "b t"]:
    """Pixels between where the sprite is seen and where it should be."""
    return (reading.position - states[..., :2]).norm(dim=-1)


def velocity_error(reading: Reading, states: Float[Tensor, "b t 4"]) -> Float[Tensor, "b t1"]:
    """Pixels a frame between the movement that is seen from each frame to the next and the true one."""
    return (reading.position.float().diff(dim=1) - states[..., :2].diff(dim=1)).norm(dim=-1)


def count_error(reading: Reading, count: int = 1) -> Float[Tensor, "b t"]:
    """Sprites too many or too few."""
    return (reading.count - count).abs().float()


def squared_error(clip: Clip, truth: Clip) -> Float[Tensor, "b t"]:
    """Mean squared error of each frame."""
    _same(clip, truth)
    return (clip - truth).square().mean((2, 3, 4))


def similarity(clip: Clip, truth: Clip) -> Float[Tensor, "b t"]:
    """SSIM of each frame: see `course_lib.metrics.ssim`."""
    _same(clip, truth)
    return ssim(clip.flatten(0, 1), truth.flatten(0, 1)).unflatten(0, clip.shape[:2])


def held(error: Float[Tensor, "b t"], limit: float) -> Int[Tensor, " b"]:
    """For how many frames the error of each clip stays below a limit, from the first frame on.

    Examples
    --------
    >>> held(torch.tensor([[0.0, 1.0, 9.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), limit=2.0)
    tensor([2, 4])
    """
    return (error < limit).long().cumprod(1).sum(1)


def lamps(clip: Clip) -> Float[Tensor, "b t"]:
    """Share of each frame's pixels that are as bright as a small town; by night nothing else is."""
    return (clip.amax(2) > 2 * LIT / 255 - 1).float().mean((2, 3))


def _same(clip: Tensor, truth: Tensor) -> None:
    if clip.shape != truth.shape or clip.ndim != 5:
        raise ValueError(f"need two clips (B, T, C, H, W) of one shape, got {tuple(clip.shape)}, {tuple(truth.shape)}")
