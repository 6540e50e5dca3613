"""Where the bundled pictures lie and how they are read.

An atlas is a few files inside the package: a sheet of equal tiles (lossless WebP, or the JPEG that
the source itself publishes) and an npz of labels. A sheet is decoded when a data set is first asked
for, never at import, and needs numpy and Pillow only.
"""

import os
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def sheet(file: str) -> np.ndarray:
    """Decode a bundled picture.

    Returns
    -------
    ndarray, uint8, (H, W, 3)
    """
    from PIL import Image  # here, not above: a user of the digits never pays for it

    with _opened(file) as path, Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def arrays(file: str) -> dict[str, np.ndarray]:
    """The arrays of a bundled npz by name; nothing is unpickled."""
    with _opened(file) as path, np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _opened(file: str):
    return as_file(files("course_lib.data") / "atlases" / file)


def tiles(picture: np.ndarray, size: int) -> np.ndarray:
    """Cut a sheet into its tiles, row after row.

    Parameters
    ----------
    picture : ndarray, (rows * size, columns * size, C)
    size : int

    Returns
    -------
    ndarray, (rows * columns, size, size, C)

    Examples
    --------
    >>> tiles(np.arange(8).reshape(2, 4, 1), 2)[1, ..., 0]
    array([[2, 3],
           [6, 7]])
    """
    height, width, channels = picture.shape
    if height % size or width % size:
        raise ValueError(f"a sheet of {height} x {width} pixels does not divide into tiles of {size}")
    rows = picture.reshape(height // size, size, width // size, size, channels)
    return rows.swapaxes(1, 2).reshape(-1, size, size, channels)


def to_sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """The inverse of `tiles`: images (N, S, S, C) to a sheet, `columns` a row; N is a multiple of it."""
    count, size, _, channels = images.shape
    rows = images.reshape(count // columns, columns, size, size, channels)
    return rows.swapaxes(1, 2).reshape(-1, columns * size, channels)


def to_pixels(images: np.ndarray) -> Tensor:
    """Images as artists keep them, (..., H, W, C), to pixels as networks take them, (..., C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3)))


def cache() -> Path:
    """The folder for downloaded data: `COURSE_DATA`, or the user's cache."""
    if folder := os.environ.get("COURSE_DATA"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "course_lib"
    except RuntimeError as error:  # a container's user may have none
        raise ValueError("you have no home folder: name one for the course's data in COURSE_DATA") from error


def check_split(split: str, known: tuple[str, ...] = ("train", "test")) -> None:
    """Refuse a split that a data set does not have."""
    if split not in known:
        raise ValueError(f"split must be {' or '.join(map(repr, known))}, got {split!r}")
