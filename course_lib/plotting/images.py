"""Images, shown as they are: each pixel a square of whole screen pixels, no smoothing, no stretching.

Float images are read in [-1, 1], clipped beyond; uint8 images in 0..255. A value means the same grey
in every figure, so a faint image looks faint.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_lib.plotting.page import GAP, composed, headings, one_palette, padded, row_headings
from course_lib.plotting.picture import WIDTH, Picture, captioned, described, encode

LARGEST = 168  # a tile is not blown up beyond this

Stack = Tensor | np.ndarray


def grid(
    images: Stack,
    *,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    width: int = WIDTH,
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Images in rows, the first at the top left.

    Parameters
    ----------
    images : Tensor or array, (N, C, H, W), float in [-1, 1] or uint8; C is 1 or 3
    columns : int, optional
        Images a row; up to ten if not given.
    titles : sequence of str, optional
        One above each image, or one above each column.
    row_titles : sequence of str, optional
        One to the left of each row.
    width : int
        Pixels that a row may take: the images are enlarged as often as fits.
    caption : str, optional
        Below the images.
    alt : str
        What is to be seen, in words.

    Raises
    ------
    ValueError
        If these are no images, the titles do not fit their number, or `alt` says nothing.

    Examples
    --------
    >>> grid(torch.zeros(12, 1, 28, 28), columns=6, alt="Twelve grey squares")
    Picture(alt='Twelve grey squares')
    """
    described(alt)
    tiles = _tiles(images)
    columns = columns or min(len(tiles), 10)
    if columns < 1:
        raise ValueError(f"columns must be 1 or more, got {columns}")
    rows = math.ceil(len(tiles) / columns)
    if titles is not None and len(titles) not in (columns, len(tiles)):
        raise ValueError(f"titles must be {columns}, one a column, or {len(tiles)}, one an image, got {len(titles)}")
    if row_titles is not None and len(row_titles) != rows:
        raise ValueError(f"row_titles must be {rows}, one a row, got {len(row_titles)}")
    tiles = _enlarged(tiles, (width - (60 if row_titles else 0)) // columns - GAP)
    heads = headings(titles, columns, tiles[0].width)
    return encode(captioned(composed(tiles, columns, heads, row_headings(row_titles)), caption), alt)


def strip(
    states: Sequence[Stack] | Stack,
    *,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    caption: str | None = None,
    alt: str,
) -> Picture:
    """How images come to be: one row an image, from the first state at the left to the last at the right.

    Parameters
    ----------
    states : sequence of (N, C, H, W), or (T, N, C, H, W)
        The states of N images, such as a sampler yields.
    columns : int
        How many states to show, evenly spread, the first and the last among them.
    titles : sequence of str, optional
        One a state, shown or not.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If the states differ in shape, or as `grid`.
    """
    shown, stacks = _spread(len(states), columns), [torch.as_tensor(state) for state in states]
    if len({stack.shape for stack in stacks}) != 1 or stacks[0].ndim != 4:
        raise ValueError(f"states must all be (N, C, H, W) alike, got {sorted({tuple(s.shape) for s in stacks})}")
    if titles is not None and len(titles) != len(states):
        raise ValueError(f"titles must be {len(states)}, one a state, got {len(titles)}")
    images = torch.stack([stacks[i] for i in shown], 1).flatten(0, 1)
    heads = [titles[i] for i in shown] if titles is not None else None
    return grid(images, columns=len(shown), titles=heads, caption=caption, alt=alt)


def animation(
    frames: Sequence[Stack] | Stack, *, seconds: float = 4.0, columns: int | None = None, alt: str
) -> Picture:
    """Frames that play by themselves, over and over, with a rest on the last one.

    Parameters
    ----------
    frames : sequence of (N, C, H, W), or (T, N, C, H, W)
        Each frame a grid of N images.
    seconds : float
        From the first frame to the last.
    columns : int, optional
        Images a row.
    alt : str
        What happens, in words.

    Raises
    ------
    ValueError
        If there are fewer than two frames, or as `grid`.
    """
    if len(frames) < 2 or seconds <= 0:
        raise ValueError(f"an animation needs two frames and more than no time, got {len(frames)} in {seconds} s")
    pages = [grid(frame, columns=columns, alt=alt).image for frame in frames]
    if len({page.size for page in pages}) != 1:
        raise ValueError("all frames of an animation must have the same shape")
    pages = one_palette(pages)
    each = round(1000 * seconds / len(pages))
    return encode(pages[0], alt, pages[1:], duration=[each] * (len(pages) - 1) + [each + 1000], loop=0)


def heat(weights: Tensor) -> Tensor:
    """Maps of numbers as pictures, from white for 0 to blue for 1.

    Parameters
    ----------
    weights : Tensor, (N, H, W), in [0, 1]

    Returns
    -------
    Tensor, (N, 3, H, W), in [-1, 1]
        For `grid`.

    Examples
    --------
    >>> heat(torch.tensor([[[0.0]]])).flatten()
    tensor([1., 1., 1.])
    """
    blue = torch.tensor([0.0, 0.45, 0.7])[:, None, None]
    return 1 - 2 * weights.float().cpu()[:, None] * (1 - blue)


def beside(
    pictures: Sequence[Picture],
    *,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Pictures next to each other, in further rows where the page is full.

    Parameters
    ----------
    pictures : sequence of Picture
    columns : int, optional
        Pictures a row; as many as the page holds if not given.
    titles : sequence of str, optional
        One above each.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If there are no pictures, the titles do not fit their number, or `alt` says nothing.
    """
    described(alt)
    if not pictures or (titles is not None and len(titles) != len(pictures)):
        raise ValueError(f"needs pictures and, if any, as many titles; got {len(pictures)} and {len(titles or ())}")
    tiles = [picture.image for picture in pictures]
    widest, highest = max(tile.width for tile in tiles), max(tile.height for tile in tiles)
    tiles = [padded(tile, widest, highest) for tile in tiles]
    columns = columns or min(len(tiles), max(1, (WIDTH + 3 * GAP) // (widest + 3 * GAP)))
    return encode(captioned(composed(tiles, columns, headings(titles, columns, widest), [], 3 * GAP), caption), alt)


def _tiles(images: Stack) -> list[Image.Image]:
    x = torch.as_tensor(images).detach().cpu()
    if x.ndim != 4 or 0 in x.shape or x.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, C, H, W) with 1 or 3 channels, got {tuple(x.shape)}")
    if x.dtype != torch.uint8:
        x = _to_pixels(x)
    return [Image.fromarray(tile).convert("RGB") for tile in x.permute(0, 2, 3, 1).squeeze(3).numpy()]


def _to_pixels(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise ValueError(f"images must be float in [-1, 1] or uint8, got {x.dtype}")
    if x.abs().max() > 30:  # noise may overshoot by far; this is another scale
        raise ValueError(f"float images must be in [-1, 1], got values up to {x.abs().max():.3g}: in 0..255?")
    return ((x.float().nan_to_num() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _enlarged(tiles: list[Image.Image], room: int) -> list[Image.Image]:
    width, height = tiles[0].size
    zoom = max(1, min(LARGEST, room) // max(width, height))
    return [tile.resize((zoom * width, zoom * height), Image.Resampling.NEAREST) for tile in tiles]


def _spread(count: int, shown: int) -> list[int]:
    if count < 1 or shown < 1:
        raise ValueError(f"needs at least one state and one column, got {count} and {shown}")
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, shown)).tolist()})
