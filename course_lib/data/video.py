"""Clips whose true state is known: sprites that bounce, and nightfall over the Earth.

A sprite moves by whole pixels and is mirrored exactly at the walls, so position and velocity of every
frame are known for as long as one likes: a model trained on twenty frames is marked on two hundred.
At nightfall the shadow's edge sweeps over a real place; where the lamps will be lit is not to be seen
by day.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_lib.data import earth, emoji, fashion
from course_lib.data.atlas import check_split
from course_lib.data.clips import Clips

SPRITES = ("fashion", "emoji")
MAX_SPEED = 3  # pixels a frame
MOONLIGHT = 0.12  # how bright the ground is by night, as a share of the day
TWILIGHT = 0.08  # width of the shadow's edge, as a share of the picture


def bouncing(
    n: int, frames: int, seed: int, *, sprite: str = "fashion", count: int = 2, size: int = 48, split: str = "train"
) -> Clips:
    """Sprites that fly straight, pass over each other and bounce off the walls.

    Parameters
    ----------
    n, frames : int
        Clips and frames a clip.
    seed : int
    sprite : "fashion" or "emoji"
        Grey clothes of 14 pixels on black, or emoji of 16 pixels in colour on white.
    count : int
        Sprites a clip, 1 to 4.
    size : int
        Pixels a side, 24 to 128.
    split : "train" or "test"
        Whose sprites are drawn.

    Returns
    -------
    Clips
        Frames (n, frames, 1 or 3, size, size); states (n, frames, count, 4) hold x, y of each sprite's
        upper left corner and its velocity, in whole pixels; the label is the first sprite's class
        (fashion) or concept (emoji).

    Raises
    ------
    ValueError
        If a number is out of range or there is no such sprite or split.

    Examples
    --------
    >>> clips = bouncing(2, 5, seed=0)
    >>> clips.frames.shape, clips.states.shape
    (torch.Size([2, 5, 1, 48, 48]), torch.Size([2, 5, 2, 4]))
    """
    _check(n, frames)
    if not 1 <= count <= 4 or not 24 <= size <= 128:
        raise ValueError(f"count must be 1 to 4 sprites and size 24 to 128 pixels, got {count} and {size}")
    pictures, labels = _sprites(sprite, split)
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(pictures), (n, count), generator=rng)
    room = size - pictures.shape[-1]
    start = torch.randint(room + 1, (n, count, 2), generator=rng)
    speed = torch.randint(1, MAX_SPEED + 1, (n, count, 2), generator=rng)
    velocity = speed * (2 * torch.randint(2, speed.shape, generator=rng) - 1)
    position, velocity = reflect(start[:, None], velocity[:, None], torch.arange(frames)[:, None, None], room)
    states = torch.cat([position, velocity], -1).float()
    return Clips(_paint(pictures[chosen], position, size, sprite), states, labels[chosen[:, 0]])


def reflect(start: Tensor, velocity: Tensor, t: Tensor, room: int) -> tuple[Tensor, Tensor]:
    """Where a ball is at times t that starts in 0..room and is mirrored at both ends, and its velocity.

    Unfold the mirrors: on a line of period 2 room the ball goes straight on.

    Examples
    --------
    >>> position, velocity = reflect(torch.tensor(3), torch.tensor(2), torch.arange(5), room=6)
    >>> position.tolist(), velocity.tolist()
    ([3, 5, 5, 3, 1], [2, 2, -2, -2, -2])
    """
    if room < 1:
        raise ValueError(f"room must be 1 pixel or more, got {room}")
    unfolded = (start + velocity * t) % (2 * room)
    back = (unfolded > room) | ((unfolded == room) & (velocity > 0)) | ((unfolded == 0) & (velocity < 0))
    direct = torch.where(unfolded > room, 2 * room - unfolded, unfolded)
    return direct, torch.where(back, -velocity, velocity.expand_as(back))


def _sprites(sprite: str, split: str) -> tuple[Tensor, Tensor]:
    check_split(split)
    if sprite == "fashion":
        images = fashion.fashion(split)
        return _halved(images.pixels), images.labels
    if sprite == "emoji":
        return _halved(emoji.emoji("noto", split).pixels), emoji.emoji_pairs(split).place
    raise ValueError(f"sprite must be {' or '.join(map(repr, SPRITES))}, got {sprite!r}")


def _halved(pixels: Tensor) -> Tensor:
    return avg_pool2d(pixels.float(), 2).round().to(torch.uint8)


def _paint(pictures: Tensor, position: Tensor, size: int, sprite: str) -> Tensor:
    # on black the brighter of two sprites shows, on white the darker, so neither is in front
    ground, blend = (0, torch.maximum) if sprite == "fashion" else (255, torch.minimum)
    n, frames, count, _ = position.shape
    side, channels = pictures.shape[-1], pictures.shape[2]
    canvas = torch.full((n, frames, channels, size, size), ground, dtype=torch.uint8)
    for i in range(n):
        for t in range(frames):
            for (x, y), picture in zip(position[i, t].tolist(), pictures[i]):
                view = canvas[i, t, :, y : y + side, x : x + side]
                view.copy_(blend(view, picture))
    return canvas


def nightfall(n: int, frames: int, seed: int, *, size: int = 64, split: str = "train") -> Clips:
    """Night comes over a place: the shadow's edge moves from east to west, and lamps are lit behind it.

    Parameters
    ----------
    n, frames : int
        Clips and frames a clip; the first is all day, the last all night.
    seed : int
    size : int
        Pixels a side, as in `earth`.
    split : "train" or "test"
        The Americas are for testing.

    Returns
    -------
    Clips
        Frames (n, frames, 3, size, size); states (n, frames, 2) hold the column that the edge has
        reached in the middle row, in pixels, and its tilt in radians; the label is the place.

    Raises
    ------
    ValueError
        If a number is out of range or there is no such split.

    Examples
    --------
    >>> nightfall(1, 4, seed=0).states[0, :, 0].diff().lt(0).all().item()  # westward
    True
    """
    _check(n, frames)
    pairs = earth.earth(split, size)
    rng = torch.Generator().manual_seed(seed)
    pairs = pairs[torch.randint(len(pairs), (n,), generator=rng)]
    tilt = (torch.rand(n, generator=rng) * 2 - 1) * math.radians(23.4)  # the seasons
    reach = size * (0.5 + 0.5 * tilt.tan().abs() + 4 * TWILIGHT)
    edge = size / 2 + reach[:, None] * torch.linspace(1, -1, frames)
    day, lamps = pairs.source.float(), pairs.target.float()
    night = torch.maximum(MOONLIGHT * day, lamps)
    dark = _darkness(edge, tilt, size)[:, :, None]
    pictures = [torch.lerp(d, e, w) for d, e, w in zip(day, night, dark)]
    pixels = torch.stack(pictures) if n else torch.zeros(0, frames, 3, size, size)
    states = torch.stack([edge, tilt[:, None].expand_as(edge)], -1)
    return Clips(pixels.round().to(torch.uint8), states, pairs.place)


def _darkness(edge: Tensor, tilt: Tensor, size: int) -> Tensor:
    """Share of night in each pixel of each frame, (N, T, size, size)."""
    middle = torch.arange(size) + 0.5
    row, column = middle[:, None] - size / 2, middle[None]
    front = edge[:, :, None, None] + tilt.tan()[:, None, None, None] * row
    return ((column - front) / (TWILIGHT * size)).mul(2).sigmoid()


def _check(n: int, frames: int) -> None:
    if n < 0 or frames < 2:
        raise ValueError(f"there must be 0 or more clips of 2 or more frames, got {n} clips of {frames}")
