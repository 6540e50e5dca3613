"""A folder of your own images, as a data set.

What lies in a folder is of any size and kind: photographs held sideways, drawings on transparent ground,
scans of sixteen bits, animations, and files that are no image at all. All that can be read comes out in one
form: upright, on white, cut to the square in the middle and shrunk; what cannot is named and left out.

To shrink an image is to average: whoever only picks every n-th pixel makes patterns that no camera saw
(Parmar et al. 2022, On Aliased Resizing and Surprising Subtleties in GAN Evaluation). Pillow's bicubic filter
is as wide as it must be.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from course_lib.data.images import Images

MOST_PIXELS = 90_000_000  # a file of a few kilobytes may claim more and fill the memory
MOST_BYTES = 200_000_000
MODES = {1: "L", 3: "RGB"}
NAMED = 8  # files in a message
NOT_MEANT = {"Thumbs.db", "desktop.ini", "__MACOSX"}  # left behind by file managers


def folder(path: Path | str, size: int = 64, channels: int = 3, least: int = 2) -> Images:
    """Read all images of a folder and of the folders in it.

    Parameters
    ----------
    path : path
        Its subfolders, if it has any with files, are the classes; files beside them are one more, named like the
        folder. Hidden files are passed over.
    size : int
        Pixels a side, 8 to 512.
    channels : 1 or 3
        Grey or colour.
    least : int
        How few images will do.

    Returns
    -------
    Images, (N, channels, size, size)
        Sorted by path. Photographs are turned upright (EXIF), transparent pixels white, animations their first
        frame, 16 bits a pixel scaled to 8. The longer side loses its ends; what is smaller than `size` is enlarged.

    Raises
    ------
    ValueError
        If there is no such folder, it holds fewer than `least` images that can be read, or a number is out of range.

    Warns
    -----
    UserWarning
        Names the files that cannot be read: those that are no image, are damaged, or unfold to more than 90 million
        pixels.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     for name in ("one.png", "two.jpg"):
    ...         Image.new("RGB", (90, 70), "red").save(Path(place) / name)
    ...     folder(place, size=32).pixels.shape
    torch.Size([2, 3, 32, 32])
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise ValueError(f"{path} is no folder: give one that holds image files (unpack an archive first)")
    if channels not in MODES or not 8 <= size <= 512 or least < 1:
        raise ValueError(
            f"channels must be 1 or 3, size 8 to 512 pixels and least 1 or more, got {channels}, {size} and {least}"
        )
    found, pixels, unread = image_files(path), {}, {}
    for file in found:
        try:
            pixels[file] = read_image(file, size, channels)
        except ValueError as error:
            unread[file.relative_to(path).as_posix()] = str(error)
    if len(pixels) < least:
        raise ValueError(f"{path} holds {len(pixels)} images that can be read, {least} are needed. {_told(unread)}")
    if unread:
        warnings.warn(_told(unread), stacklevel=2)
    names = [_class(file, path) for file in pixels]
    classes = tuple(sorted(set(names)))
    return Images(torch.stack(list(pixels.values())), torch.tensor([classes.index(name) for name in names]), classes)


def read_image(file: Path | str, size: int, channels: int = 3) -> Tensor:
    """One image file as pixels, uint8 (channels, size, size); see `folder`.

    Raises
    ------
    ValueError
        If it cannot be read; the message says why, without the name.
    """
    try:
        if Path(file).stat().st_size > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES // 1_000_000} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on files that it reads all the same
            with Image.open(file) as picture:
                square = _square(picture, size)
    except UnidentifiedImageError as error:
        raise ValueError("no image of a known kind") from error
    except Exception as error:  # damaged files make Pillow raise almost anything, also SyntaxError and struct.error
        raise ValueError(str(error) or type(error).__name__) from error
    pixels = np.asarray(square.convert(MODES[channels])).reshape(size, size, channels)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()


def _square(picture: Image.Image, size: int) -> Image.Image:
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"{picture.width} x {picture.height} pixels are more than {MOST_PIXELS // 1_000_000} million")
    picture.draft(None, (4 * size, 4 * size))  # a large JPEG need not be unfolded whole
    upright = ImageOps.exif_transpose(picture)
    return ImageOps.fit(_on_white(_eight_bits(upright)), (size, size), Image.Resampling.BICUBIC)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits or of floats in [0, 1] as grey of 8: `convert` would cut off all that is above 255."""
    if picture.mode not in ("F", "I") and not picture.mode.startswith("I;16"):
        return picture
    levels = np.asarray(picture, np.float64) * (255 if picture.mode == "F" else 255 / 65_535)
    if not np.isfinite(levels).all():
        raise ValueError("some values are not finite")
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def image_files(path: Path) -> list[Path]:
    """Regular files below a folder, in the order of their paths; none that is hidden or in a hidden folder."""
    meant = lambda part: not part.startswith(".") and part not in NOT_MEANT
    found = [file for file in path.rglob("*") if all(map(meant, file.relative_to(path).parts)) and file.is_file()]
    return sorted(found, key=lambda file: file.relative_to(path).parts)


def _class(file: Path, path: Path) -> str:
    parts = file.relative_to(path).parts
    return parts[0] if len(parts) > 1 else path.resolve().name or "images"


def _told(unread: dict[str, str]) -> str:
    if not unread:
        return "There is no other file in it."
    some = "; ".join(f"{name} ({reason})" for name, reason in list(unread.items())[:NAMED])
    more = f"; and {len(unread) - NAMED} more" if len(unread) > NAMED else ""
    return f"Not read: {some}{more}"
