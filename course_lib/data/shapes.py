"""Captioned scenes of two shapes: what a text-to-image model must understand, and nothing else.

    "a large red circle left of a small blue star"

Which word belongs to which thing, and what stands where: every caption of this grammar can be drawn,
and `reading.read` reads every drawing back. Some pairs of colour and shape are held out of training:
does a model bind words that it never saw together?
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from course_lib.data.atlas import check_split
from course_lib.data.captions import Captioned, Vocabulary

COLOURS = {
    "red": (220, 50, 47),
    "green": (60, 160, 60),
    "blue": (50, 100, 220),
    "yellow": (240, 200, 40),
    "purple": (140, 70, 170),
    "cyan": (40, 180, 190),
}
SHAPES = ("circle", "square", "triangle", "star")
RADII = {"small": 3.4, "large": 6.4}
RELATIONS = ("left of", "above")
OPPOSITE = {"right of": "left of", "below": "above"}
HELD_OUT = {("red", "star"), ("green", "circle"), ("blue", "triangle"), ("yellow", "square")}
SIZE, HALF, GROUND = 32, 8, 245
LENGTH = 10  # words of the longest caption


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    size: str
    colour: str
    shape: str

    def __post_init__(self) -> None:
        if self.size not in RADII or self.colour not in COLOURS or self.shape not in SHAPES:
            raise ValueError(
                f"a thing is one of {', '.join(RADII)}; {', '.join(COLOURS)}; {', '.join(SHAPES)}: got {self}"
            )

    def __str__(self) -> str:
        return f"a {self.size} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """Two things and how they stand: the first is left of the second, or above it.

    Examples
    --------
    >>> scene = Scene.of("a small blue star right of a large red circle")
    >>> str(scene)
    'a large red circle left of a small blue star'
    """

    first: Thing
    relation: str
    second: Thing

    def __str__(self) -> str:
        return f"{self.first} {self.relation} {self.second}"

    @classmethod
    def of(cls, caption: str) -> "Scene":
        """Understand a caption; "right of" and "below" are turned around.

        Raises
        ------
        ValueError
            If the caption does not follow the grammar.
        """
        for relation in (*RELATIONS, *OPPOSITE):
            left, found, right = caption.partition(f" {relation} ")
            if found:
                first, second = _thing(left, caption), _thing(right, caption)
                turned = relation in OPPOSITE
                return cls(second, OPPOSITE[relation], first) if turned else cls(first, relation, second)
        raise ValueError(f"a caption needs one of {', '.join((*RELATIONS, *OPPOSITE))}, got {caption!r}")

    def is_held_out(self) -> bool:
        """Whether it shows a pair of colour and shape that training scenes never show."""
        return any((thing.colour, thing.shape) in HELD_OUT for thing in (self.first, self.second))


def _thing(text: str, caption: str) -> Thing:
    parts = text.split(" ")
    if len(parts) != 4 or parts[0] != "a":
        raise ValueError(f"a thing reads 'a SIZE COLOUR SHAPE', got {text!r} in {caption!r}")
    return Thing(*parts[1:])


def vocabulary() -> Vocabulary:
    """The twenty words or so that captions are made of."""
    relations = (*RELATIONS, *OPPOSITE)
    return Vocabulary.of(["a", *RADII, *COLOURS, *SHAPES, *relations])


def shapes(n: int, seed: int, split: str = "train") -> Captioned:
    """Draw random scenes with their captions.

    Parameters
    ----------
    n : int
    seed : int
    split : "train" or "test"
        Training scenes show none of the held-out pairs, each test scene shows at least one.

    Returns
    -------
    Captioned, (n, 3, 32, 32)

    Raises
    ------
    ValueError
        If n is negative or there is no such split.

    Examples
    --------
    >>> shapes(3, seed=0).captions[0]
    'a small green star above a large cyan triangle'
    """
    check_split(split)
    if n < 0:
        raise ValueError(f"n must be 0 or more scenes, got {n}")
    rng = np.random.default_rng(seed)
    scenes: list[Scene] = []
    while len(scenes) < n:
        scene = _random_scene(rng)
        if scene.is_held_out() == (split == "test"):
            scenes.append(scene)
    return Captioned(draw(scenes, seed), tuple(map(str, scenes)), vocabulary(), LENGTH)


def _random_scene(rng: np.random.Generator) -> Scene:
    first, second = (Thing(*(str(rng.choice(list(of))) for of in (RADII, COLOURS, SHAPES))) for _ in range(2))
    return Scene(first, str(rng.choice(RELATIONS)), second)


def draw(scenes: list[Scene], seed: int) -> Tensor:
    """Draw each scene at a random place: uint8 (N, 3, 32, 32).

    Along the relation the centres are 15 to 17 pixels apart and never touch, across it at most 12.
    """
    rng = np.random.default_rng([seed, 1])
    pictures = torch.full((len(scenes), 3, SIZE, SIZE), float(GROUND))
    for picture, scene in zip(pictures, scenes):
        for thing, along in ((scene.first, rng.integers(7, 9)), (scene.second, rng.integers(23, 25))):
            across = rng.integers(10, 23)
            row, column = (across, along) if scene.relation == "left of" else (along, across)
            _paint(picture, thing, int(row), int(column))
    return pictures.round().to(torch.uint8)


def _paint(picture: Tensor, thing: Thing, row: int, column: int) -> None:
    mask = stamps()[_index(thing)]
    view = picture[:, row - HALF + 1 : row + HALF, column - HALF + 1 : column + HALF]
    view.lerp_(torch.tensor(COLOURS[thing.colour], dtype=torch.float32)[:, None, None].expand_as(view), mask)


def _index(thing: Thing) -> int:
    return list(RADII).index(thing.size) * len(SHAPES) + SHAPES.index(thing.shape)


@cache
def stamps() -> Tensor:
    """Coverage of each size and shape, float (8, 15, 15) in [0, 1]: small ones first, each centred on a pixel."""
    fine = (torch.arange((2 * HALF - 1) * 8) + 0.5) / 8 - HALF + 0.5
    y, x = torch.meshgrid(fine, fine, indexing="ij")
    masks = [_inside(shape, x / radius, y / radius) for radius in RADII.values() for shape in SHAPES]
    return torch.stack(masks).float().unflatten(1, (-1, 8)).unflatten(3, (-1, 8)).mean((2, 4))


def _inside(shape: str, x: Tensor, y: Tensor) -> Tensor:
    """Which points lie in a shape whose corners lie on the unit circle (the square's a little beyond)."""
    if shape == "circle":
        return x.square() + y.square() <= 1
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) <= 0.85
    if shape == "triangle":
        return (y <= 0.5) & (math.sqrt(3) * x.abs() - y <= 1)
    # a star is where at least four of the five half planes of its lines hold
    angles = [2 * math.pi * k / 5 for k in range(5)]
    inner = math.cos(2 * math.pi / 5)
    return sum((x * math.sin(a) + y * math.cos(a) <= inner).long() for a in angles) >= 4
