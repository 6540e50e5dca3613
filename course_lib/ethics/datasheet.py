"""What does a data set hold? The part of a datasheet that can be measured.

Gebru et al. 2021, Datasheets for Datasets, ask some fifty questions of whoever publishes data. Who collected it, and
with whose consent, only people can answer; how many of each kind there are, whether an image stands in it twice, and
whether a test image was trained on, the data answers itself, and should be asked before every training.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from course_lib.data import DataSet, to_float
from course_lib.data.attributed import Attributed
from course_lib.data.images import Images
from course_lib.ethics.memorisation import distances, near_duplicates

SMALL = 8  # pixels a side on which near-duplicates are looked for
NEAR = 0.02  # root mean square difference, of pixels in [-1, 1]: two and a half grey levels of 255
CHUNK = 500


class Sheet(NamedTuple):
    """What was counted in one split.

    Attributes
    ----------
    images : int
    shape : tuple of int
        Channels, height and width.
    mean, std : float
        Of all values, as 0..1.
    repeated : int
        Images that are, byte for byte, one that stands before them.
    near : int
        Images that at 8 x 8 pixels are within `NEAR` of one that stands before them, the repeated among them.
    counts : dict of str to dict of str to int
        Attribute -> value -> images, for each that is labelled.
    """

    images: int
    shape: tuple[int, int, int]
    mean: float
    std: float
    repeated: int
    near: int
    counts: dict[str, dict[str, int]]


def sheet(data: DataSet) -> Sheet:
    """Measure one split of a data set; of pairs, the pictures that a model is to make.

    Examples
    --------
    >>> one = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    >>> found = sheet(Images(torch.cat([one, one + 255, one]), torch.tensor([0, 1, 1]), ("dark", "light")))
    >>> found.repeated, found.counts
    (1, {'label': {'dark': 1, 'light': 2}})
    """
    pixels = pixels_of(data)
    values = pixels.double() / 255
    repeated = len(pixels) - len({image.numpy().tobytes() for image in pixels})
    near = int(near_duplicates(small(pixels), NEAR).sum())
    return Sheet(
        len(pixels), tuple(pixels.shape[1:]), values.mean().item(), values.std().item(), repeated, near, counts(data)
    )


def pixels_of(data: DataSet) -> Tensor:
    return data.pixels if hasattr(data, "pixels") else data.target


def small(pixels: Tensor) -> Tensor:
    """The images at 8 x 8 pixels, where a shift or a scratch hardly shows."""
    return torch.cat([adaptive_avg_pool2d(to_float(part), SMALL) for part in pixels.split(CHUNK)])


def leaked(train: DataSet, test: DataSet) -> int:
    """Test images that at 8 x 8 pixels are within `NEAR` of a training image."""
    return int((distances(small(pixels_of(test)), small(pixels_of(train))).min(dim=1).values <= NEAR).sum())


def counts(data: DataSet) -> dict[str, dict[str, int]]:
    """Attribute -> value -> how many images; empty where nothing is labelled."""
    if isinstance(data, Images):
        return {"label": _count(data.labels, data.classes)}
    if isinstance(data, Attributed):
        return {name: _count(data.column(name), values) for name, values in data.names.items()}
    return {}


def _count(values: Tensor, names: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(names, values.bincount(minlength=len(names)).tolist()))
