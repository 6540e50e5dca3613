"""Public sets that are downloaded once, through torchvision: CIFAR-10, EuroSAT, Flowers102.

Too large or too restricted to ship. They need a network the first time and then lie in the cache
folder; torchvision fetches, checks and unpacks them.
"""

import numpy as np
import torch

from course_lib.data.atlas import cache, check_split, to_pixels
from course_lib.data.images import Images

EUROSAT_TEST = 0.2
EUROSAT_CLASSES = (
    "annual crop", "forest", "herbaceous vegetation", "highway", "industrial", "pasture", "permanent crop",
    "residential", "river", "sea or lake",
)  # fmt: skip


def cifar10(split: str = "train") -> Images:
    """CIFAR-10: 50,000 (10,000) colour photographs of ten classes, (N, 3, 32, 32).

    Krizhevsky 2009. Free for research; its photographs come from the web without a licence each.

    Raises
    ------
    ValueError
        If there is no such split, or the set cannot be downloaded.
    """
    check_split(split)
    stored = _fetched("CIFAR10", train=split == "train")
    return Images(to_pixels(stored.data), torch.tensor(stored.targets), tuple(stored.classes))


def eurosat(split: str = "train") -> Images:
    """EuroSAT: 27,000 Sentinel-2 pictures of ten kinds of land, (N, 3, 64, 64).

    Helber et al. 2019 (MIT). It has no split of its own: a fifth, drawn by a fixed seed, is for testing.
    Neighbouring tiles of one scene may be on both sides.

    Raises
    ------
    ValueError
        If there is no such split, or the set cannot be downloaded.
    """
    check_split(split)
    stored = _fetched("EuroSAT")
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(0))
    held_out = int(len(stored) * EUROSAT_TEST)
    chosen = (order[:held_out] if split == "test" else order[held_out:]).sort().values.tolist()
    pictures, labels = zip(*(stored[i] for i in chosen))
    return Images(to_pixels(np.stack(pictures)), torch.tensor(labels), EUROSAT_CLASSES)


def flowers102(split: str = "train", size: int = 64) -> Images:
    """Flowers102: photographs of 102 species, cut to squares and shrunk, (N, 3, size, size).

    Nilsback and Zisserman 2008. As usual for generative models, the large part (6,149) is for training
    and the two small ones (2,040) are for testing. For research and teaching only.

    Raises
    ------
    ValueError
        If there is no such split or size, or the set cannot be downloaded.
    """
    check_split(split)
    if not 16 <= size <= 256:
        raise ValueError(f"size must be 16 to 256 pixels, got {size}")
    parts = ("test",) if split == "train" else ("train", "val")
    pairs = [(_square(picture, size), label) for part in parts for picture, label in _fetched("Flowers102", split=part)]
    pictures, labels = zip(*pairs)
    return Images(to_pixels(np.stack(pictures)), torch.tensor(labels), tuple(f"species {k + 1}" for k in range(102)))


def _fetched(name: str, **which):
    """A torchvision data set from the cache folder, downloaded if it is not there."""
    from torchvision import datasets  # slow to import

    try:
        return getattr(datasets, name)(cache(), download=True, **which)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{name} is not in {cache()} and cannot be downloaded ({error}). Connect to a network once, or use a "
            "bundled set: they need none."
        ) from error


def _square(picture, size: int) -> np.ndarray:
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(picture.convert("RGB").crop((left, top, left + side, top + side)).resize((size, size), 3))
