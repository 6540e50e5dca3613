"""Faces of 16 x 16 pixels, put together from layers: each attribute is known and can be set.

A face is a stack of layers (skin, earrings, clothing, eyes, glasses, mouth, hair, hat), each with a
shape and a colour. A layer is linear in its colour c, so that a face is drawn without a browser:

    pixel <- (1 - alpha) pixel + alpha (gain c + offset)

Because we choose the attributes, we also choose how they go together: a `Joint` plants a correlation
of known strength, and what a model does to it can be measured. No person was photographed.

DiceBear's "Pixel Art" (CC0 1.0), without its beards, which are not linear in their colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor

from course_lib.data.atlas import arrays, check_split
from course_lib.data.attributed import Attributed
from course_lib.data.images import Images
from course_lib.data.palettes import PALETTES

SLOTS = ("skin", "accessories", "clothing", "eyes", "glasses", "mouth", "hair", "hat")  # from back to front
OPTIONAL = ("accessories", "glasses", "hat")
SIZES = (16, 32)
COUNT = {"train": 4_000, "test": 1_000}


@dataclass(frozen=True)
class Joint:
    """How two attributes go together.

    Parameters
    ----------
    first, second : str
        Attributes of `names()`.
    table : nested list of float
        table[i][j] is the probability that the first is in its group i and the second in its group
        j; see `groups`. All of them sum to 1.

    Examples
    --------
    >>> groups("hair"), groups("mouth")
    (('long', 'short'), ('happy', 'sad'))
    >>> happy_if_long = Joint("hair", "mouth", [[0.45, 0.05], [0.05, 0.45]])
    >>> data = faces(1000, seed=0, joint=happy_if_long)
    >>> same = coarse(data, "hair").labels == coarse(data, "mouth").labels
    >>> round(same.float().mean().item(), 1)
    0.9
    """

    first: str
    second: str
    table: list[list[float]]

    def __post_init__(self) -> None:
        shape = (len(groups(self.first)), len(groups(self.second)))
        try:
            table = torch.tensor(self.table, dtype=torch.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the table of a joint must be rows of numbers of equal length: {error}") from error
        if self.first == self.second or table.shape != shape:
            raise ValueError(
                f"a joint of {self.first} and {self.second} needs two attributes and a table of shape {shape}: rows "
                f"{groups(self.first)}, columns {groups(self.second)}; got shape {tuple(table.shape)}"
            )
        if (table < 0).any() or abs(table.sum().item() - 1) > 1e-6:
            raise ValueError(f"probabilities must be 0 or more and sum to 1, got the sum {table.sum():g}")


def load_faces(split: str = "train", size: int = 16) -> Attributed:
    """The same 4,000 faces for training and 1,000 for testing every time, nothing planted."""
    check_split(split)
    return faces(COUNT[split], seed=list(COUNT).index(split), size=size)


def faces(n: int, seed: int, size: int = 16, joint: Joint | None = None) -> Attributed:
    """Draw random faces.

    Groups (see `groups`) are equally likely and so are the values within a group; attributes are
    independent, but for the two that a joint ties together.

    Parameters
    ----------
    n : int
    seed : int
    size : 16 or 32
    joint : Joint, optional

    Returns
    -------
    Attributed, (n, 3, size, size)
        On white. The colour of a hat that nobody wears is an attribute, but cannot be seen.

    Raises
    ------
    ValueError
        If n is negative or there is no such size.
    """
    if n < 0:
        raise ValueError(f"n must be 0 or more faces, got {n}")
    rng = torch.Generator().manual_seed(seed)
    chosen = {name: torch.randint(len(groups(name)), (n,), generator=rng) for name in names()}
    if joint is not None:
        table = torch.tensor(joint.table, dtype=torch.float64)
        cell = torch.multinomial(table.flatten(), n, replacement=True, generator=rng) if n else chosen[joint.first]
        chosen[joint.first], chosen[joint.second] = cell // table.shape[1], cell % table.shape[1]
    attributes = torch.stack([_within(name, group, rng) for name, group in chosen.items()], 1)
    return Attributed(render(attributes, size), attributes, names())


def _within(name: str, group: Tensor, rng: torch.Generator) -> Tensor:
    # values of a group stand together, so a uniform draw is first + floor(u * count)
    member = group_of(name)
    count = member.bincount()
    first = count.cumsum(0) - count
    return first[group] + (torch.rand(len(group), generator=rng) * count[group]).long()


def render(attributes: Tensor, size: int = 16) -> Tensor:
    """Draw faces from their attributes.

    Parameters
    ----------
    attributes : Tensor, int64, (N, A)
        One column for each of `names()`.
    size : 16 or 32
        32 repeats each pixel twice in both directions.

    Returns
    -------
    Tensor, uint8, (N, 3, size, size)

    Raises
    ------
    ValueError
        If there is no such size, or an attribute has no such value.
    """
    if size not in SIZES:
        raise ValueError(f"size must be 16 or 32: the layers are drawn on 16 x 16 pixels, got {size}")
    device = attributes.device
    blank = torch.zeros(len(attributes), 3, 1, 1, dtype=torch.uint8)
    values = dict(zip(names(), Attributed(blank, attributes, names()).attributes.unbind(1)))
    stored = arrays("faces.npz")
    picture = torch.ones(len(attributes), 16, 16, 3, device=device)
    for slot in SLOTS:
        layers = torch.from_numpy(stored[slot]).to(device) / 255
        shape = values[slot] if slot != "skin" else torch.zeros_like(values["skin"])
        colour = _rgb(slot).to(device)[values["skin" if slot == "skin" else f"{slot} colour"]]
        alpha, gain, offset = layers[shape].split([1, 1, 3], dim=-1)
        picture = picture * (1 - alpha) + alpha * (gain * colour[:, None, None] + offset)
    pixels = (picture * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 3, 1, 2)
    return pixels.repeat_interleave(size // 16, -1).repeat_interleave(size // 16, -2).contiguous()


def changed(data: Attributed, name: str, value: str) -> Attributed:
    """The same faces with one attribute set to a value for all.

    Examples
    --------
    >>> changed(faces(3, seed=0), "mouth", "sad 03").describe(1)["mouth"]
    'sad 03'
    """
    data.column(name)  # refuses an unknown attribute
    if value not in data.names[name]:
        raise ValueError(f"{name} has no value {value!r}; the values are {', '.join(data.names[name])}")
    attributes = data.attributes.clone()
    attributes[:, list(data.names).index(name)] = data.names[name].index(value)
    return Attributed(render(attributes, data.pixels.shape[-1]), attributes, data.names)


@cache
def names() -> dict[str, tuple[str, ...]]:
    """The fifteen attributes, each with the names of its values."""
    stored = arrays("faces.npz")
    shapes = {slot: tuple(stored[f"{slot} names"].tolist()) for slot in SLOTS[1:]}
    colours = {f"{slot} colour": tuple(PALETTES[slot]) for slot in SLOTS[1:]}
    return {"skin": tuple(PALETTES["skin"])} | shapes | colours


def groups(name: str) -> tuple[str, ...]:
    """The groups of an attribute's values: names without their running number.

    Examples
    --------
    >>> groups("glasses")
    ('none', 'dark', 'light')
    """
    if name not in names():
        raise ValueError(f"there is no attribute {name!r}; the attributes are {', '.join(names())}")
    return tuple(dict.fromkeys(value.split(" ")[0] for value in names()[name]))


def group_of(name: str) -> Tensor:
    """The group, an index into `groups`, of each value of an attribute, int64 (V,).

    Examples
    --------
    >>> group_of("hat")
    tensor([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    """
    return torch.tensor([groups(name).index(value.split(" ")[0]) for value in names()[name]])


def coarse(data: Attributed, name: str) -> Images:
    """The faces labelled by the group of one attribute: long or short hair, happy or sad, hat or none."""
    images = data.images(name)
    return Images(images.pixels, group_of(name).to(images.labels.device)[images.labels], groups(name))


def crossed(data: Attributed, attributes: Sequence[str]) -> Images:
    """The faces labelled by the groups of several attributes at once: one class a combination.

    Examples
    --------
    >>> crossed(faces(3, seed=0), ["hair", "hat"]).classes
    ('long none', 'long hat', 'short none', 'short hat')
    """
    label = torch.zeros(len(data), dtype=torch.int64, device=data.attributes.device)
    for name in attributes:
        label = label * len(groups(name)) + coarse(data, name).labels
    classes = tuple(" ".join(combination) for combination in product(*map(groups, attributes)))
    return Images(data.pixels, label, classes)


def uncrossed(labels: Tensor, attributes: Sequence[str]) -> dict[str, Tensor]:
    """The labels (N,) that `crossed` gave, taken apart: attribute -> group (N,)."""
    parts = {}
    for name in reversed(attributes):
        parts[name], labels = labels % len(groups(name)), labels // len(groups(name))
    return parts


def _rgb(slot: str) -> Tensor:
    return torch.tensor([tuple(bytes.fromhex(code)) for code in PALETTES[slot].values()]) / 255
