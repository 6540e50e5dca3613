"""Fashion-MNIST: 28 x 28 grey photographs of clothes in ten classes.

The real set on which every family of the course is compared. 5,000 training and 1,000 test images,
balanced over the classes, come with the package, so that nothing has to be downloaded; all 60,000
and 10,000 are read from Debian's package if it is installed, from the four original files where they lie in the
folder that `COURSE_DATA` names, else through torchvision. The indices
of the bundled images are kept: statistics over the 55,000 *other* training images have never seen
what a notebook trains on.

Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a Novel Image Dataset (MIT licence).
"""

import gzip
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.data.atlas import arrays, cache, check_split, sheet, tiles, to_pixels
from course_lib.data.images import Images

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
BUNDLED = {"train": 5_000, "test": 1_000}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PREFIX = {"train": "train", "test": "t10k"}


def fashion(split: str = "train", full: bool = False) -> Images:
    """Fashion-MNIST.

    Parameters
    ----------
    split : "train" or "test"
    full : bool
        All 60,000 (10,000) images instead of the bundled 5,000 (1,000). Where they are neither on
        this machine nor to be downloaded, the bundled ones are returned, with a warning.

    Returns
    -------
    Images, (N, 1, 28, 28)

    Raises
    ------
    ValueError
        If there is no such split.

    Examples
    --------
    >>> images = fashion("test")
    >>> images.pixels.shape, images.classes[images.labels[0]]
    (torch.Size([1000, 1, 28, 28]), 'ankle boot')
    """
    check_split(split)
    if full and (images := _whole(split)) is not None:
        return images
    if full:
        warnings.warn(
            f"the full Fashion-MNIST is neither on this machine nor to be downloaded: you get the {BUNDLED[split]:,} "
            f"bundled {split} images. Install Debian's dataset-fashion-mnist or connect to a network once.",
            stacklevel=2,
        )
    return _bundled(split)


def others() -> Images:
    """The 55,000 training images that are not bundled: a reference that no notebook trains on.

    Raises
    ------
    ValueError
        If the full set is not at hand.
    """
    if (images := _whole("train")) is None:
        raise ValueError(
            "the other 55,000 images need the full Fashion-MNIST (Debian: dataset-fashion-mnist) or a network"
        )
    keep = torch.ones(len(images), dtype=torch.bool)
    keep[bundled_indices("train")] = False
    return images[keep]


def bundled_indices(split: str = "train") -> Tensor:
    """Where the bundled images stand in the original split: int64, (5000,) or (1000,), ascending."""
    check_split(split)
    return torch.from_numpy(arrays("fashion.npz")[f"{split}_index"].astype(np.int64))


def _bundled(split: str) -> Images:
    start = 0 if split == "train" else BUNDLED["train"]
    grey = tiles(sheet("fashion.webp")[..., :1], 28)[start : start + BUNDLED[split]]
    labels = torch.from_numpy(arrays("fashion.npz")[f"{split}_label"].astype(np.int64))
    return Images(to_pixels(grey), labels, CLASSES)


def _whole(split: str) -> Images | None:
    for folder in (DEBIAN, cache()):
        if (folder / f"{PREFIX[split]}-images-idx3-ubyte.gz").exists():
            return read_idx(folder, split)
    return _from_torchvision(split)


def read_idx(folder: Path, split: str) -> Images:
    """Read the original files, `train-images-idx3-ubyte.gz` and its three siblings.

    Raises
    ------
    ValueError
        If a file is missing or does not hold 28 x 28 images and as many labels.
    """
    try:
        with gzip.open(folder / f"{PREFIX[split]}-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        with gzip.open(folder / f"{PREFIX[split]}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{folder} does not hold the four whole .gz files of Fashion-MNIST: {error}") from error
    return Images(torch.from_numpy(pixels.copy()), torch.from_numpy(labels.astype(np.int64)), CLASSES)


def _from_torchvision(split: str) -> Images | None:
    from torchvision.datasets import FashionMNIST  # slow to import, and rarely needed

    try:
        stored = FashionMNIST(cache(), train=split == "train", download=True)
    except (OSError, RuntimeError):  # no network, or a cache that cannot be written
        return None
    return Images(stored.data[:, None], stored.targets.long(), CLASSES)
