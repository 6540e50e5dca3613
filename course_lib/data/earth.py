"""The Earth from above, twice: by day and by night, as a photograph and as a map.

Pixel-paired pictures of the same places. The city lights are not determined by the day (a plain is
lit or not), so a model that predicts their mean blurs and a generative one must invent. Tiles that
overlap would carry a place from training into testing, so the split is geography: the Americas are
held out, with oceans in between.

NASA Visible Earth (day and city lights); NASA Blue Marble and Tom Patterson's shaded relief.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_lib.data.atlas import check_split, sheet, to_pixels
from course_lib.data.pairs import Pairs

AMERICAS = (-168.75, -30.9375)  # degrees of longitude: from the Bering Strait to the middle of the Atlantic
SIZES = range(16, 257)
LIT = 60  # of 255: the brightness of a small town
MIN_LAND, MIN_LIT = 0.3, 0.004  # shares of a tile


def earth(split: str = "train", size: int = 64, stride: int | None = None) -> Pairs:
    """Day (source) and city lights (target) of the same places: land with lights.

    Parameters
    ----------
    split : "train" or "test"
        Africa, Europe, Asia and Oceania, or the Americas.
    size : int
        Pixels a side, 16 to 256. One pixel is 0.18 degrees, 20 km at the equator.
    stride : int, optional
        Pixels from tile to tile; an eighth of the size if not given, so that tiles overlap.

    Returns
    -------
    Pairs, (N, 3, size, size)
        `place` is the tile's upper left corner; `latitude_longitude` reads it.

    Raises
    ------
    ValueError
        If there is no such split, size or stride.

    Examples
    --------
    >>> earth("test", size=128).source.shape[1:]
    torch.Size([3, 128, 128])
    """
    stride = _checked(split, size, size // 8 if stride is None else stride)
    day, night = earth_pictures()
    interesting = [(is_land(day), MIN_LAND), (night.amax(0) > LIT, MIN_LIT)]
    return _tiles(day, night, interesting, split, size, stride)


def earth_map(split: str = "train", size: int = 64, stride: int | None = None) -> Pairs:
    """Satellite (source) and shaded relief map (target) of the same places: land and coasts.

    Parameters and errors as in `earth`; one pixel is 0.09 degrees, and the stride is half
    of the size unless it is given.
    """
    stride = _checked(split, size, size // 2 if stride is None else stride)
    satellite, relief = to_pixels(sheet("earth_satellite.webp")), to_pixels(sheet("earth_relief.webp"))
    inhabited = torch.zeros(satellite.shape[1:], dtype=torch.bool)
    inhabited[200:1640] = True  # 72 N to 54 S: beyond, ice on one picture is sea on the other
    interesting = [(is_land(satellite), MIN_LAND), (inhabited, 1.0)]
    return _tiles(satellite, relief, interesting, split, size, stride)


def earth_pictures() -> tuple[Tensor, Tensor]:
    """The whole Earth by day and by night: two times uint8 (3, 1024, 2048), pole to pole."""
    return to_pixels(sheet("earth_day.jpg")), to_pixels(sheet("earth_night.jpg"))


def is_land(picture: Tensor) -> Tensor:
    """Which pixels are land, bool (H, W): water is bluer than it is red, land is not."""
    red, _, blue = picture.short()
    return blue <= red


def latitude_longitude(place: Tensor, width: int = 2048) -> Tensor:
    """The upper left corner of each place in degrees, float (N, 2), on a picture `width` pixels wide.

    Examples
    --------
    >>> latitude_longitude(torch.tensor([512 * 2048 + 1024]))
    tensor([[0., 0.]])
    """
    row, column = place // width, place % width
    return torch.stack([90 - row * 360 / width, column * 360 / width - 180], -1)


def _tiles(source: Tensor, target: Tensor, interesting, split: str, size: int, stride: int) -> Pairs:
    chosen = torch.stack([_share(mask, size, stride) >= least for mask, least in interesting]).all(0)
    row, column = (
        (chosen & _side(split, chosen.shape[1], source.shape[2], size, stride)).nonzero().mul(stride).unbind(1)
    )
    corners = list(zip(row.tolist(), column.tolist()))
    if not corners:
        raise ValueError(
            f"no {split} tile of size {size} at stride {stride} holds enough to see: take a smaller stride"
        )
    cut = [torch.stack([p[:, y : y + size, x : x + size] for y, x in corners]) for p in (source, target)]
    return Pairs(*cut, row * source.shape[2] + column)


def _checked(split: str, size: int, stride: int) -> int:
    check_split(split)
    if size not in SIZES or stride < 1:
        raise ValueError(f"size must be 16 to 256 pixels and stride at least 1, got size {size} and stride {stride}")
    return stride


def _share(mask: Tensor, size: int, stride: int) -> Tensor:
    return avg_pool2d(mask.float()[None], size, stride)[0]


def _side(split: str, columns: int, width: int, size: int, stride: int) -> Tensor:
    """Which columns of tiles lie wholly on the split's side of both borders."""
    west, east = ((degrees + 180) / 360 * width for degrees in AMERICAS)
    left = torch.arange(columns) * stride
    return (west <= left) & (left + size <= east) if split == "test" else left >= east
