"""Streets by day and by night: drawn twice from one description, so the pairs are exact.

Image-to-image without pairs (CycleGAN) is usually judged by eye, since nobody has the true answer.
Here there is one: hide the pairs from the model and keep them for the marking. What the day does not
tell, which windows are lit and where the stars stand, no model can know.
"""

from dataclasses import dataclass

import numpy as np
import torch

from course_lib.data.atlas import to_pixels
from course_lib.data.pairs import Pairs

SIZE = 64
HORIZON, STREET = 44, 54  # rows where the ground and the street begin
FINE = 2  # drawn this many times as large, then averaged
WALLS = ((205, 120, 95), (225, 190, 130), (190, 190, 200), (170, 140, 120), (230, 215, 195), (150, 170, 190))
ROOFS = ((140, 60, 45), (90, 80, 85), (110, 85, 60))


@dataclass(frozen=True)
class House:
    """A house: where it stands and what only the night shows."""

    left: int
    width: int
    height: int
    wall: int
    roof: int
    gabled: bool
    lit: np.ndarray  # bool (8, 8): which windows are lit by night


def streets(n: int, seed: int) -> Pairs:
    """Draw random streets by day (source) and by night (target).

    Parameters
    ----------
    n, seed : int

    Returns
    -------
    Pairs, (n, 3, 64, 64)
        `place` counts the scenes.

    Raises
    ------
    ValueError
        If n is negative.

    Examples
    --------
    >>> streets(2, seed=0).source.shape
    torch.Size([2, 3, 64, 64])
    """
    if n < 0:
        raise ValueError(f"n must be 0 or more streets, got {n}")
    pictures = np.zeros((2, n, SIZE, SIZE, 3), np.uint8)
    for i in range(n):
        for night in (0, 1):
            pictures[night, i] = _draw(np.random.default_rng([seed, i]), bool(night))
    return Pairs(to_pixels(pictures[0]), to_pixels(pictures[1]), torch.arange(n))


def _draw(rng: np.random.Generator, night: bool) -> np.ndarray:
    # both pictures draw the same numbers in the same order: that makes them a pair
    canvas = np.zeros((SIZE * FINE, SIZE * FINE, 3))
    _sky(canvas, rng, night)
    _hills(canvas, rng, night)
    _fill(canvas, HORIZON, SIZE, 0, SIZE, (95, 135, 70), night)
    for house in _houses(rng):
        _house(canvas, house, night)
    _street(canvas, night)
    for left in range(int(rng.integers(4, 10)), SIZE - 2, int(rng.integers(16, 24))):
        _lamp(canvas, left, night)
    fine = canvas.reshape(SIZE, FINE, SIZE, FINE, 3).mean((1, 3))
    return fine.clip(0, 255).round().astype(np.uint8)


def _shade(colour, night: bool) -> np.ndarray:
    """A colour as it is, or by night: darker and bluer."""
    colour = np.asarray(colour, float)
    return colour * (0.22, 0.24, 0.34) if night else colour


def _fill(canvas: np.ndarray, top, bottom, left, right, colour, night: bool) -> None:
    rows, columns = (slice(max(round(a * FINE), 0), max(round(b * FINE), 0)) for a, b in ((top, bottom), (left, right)))
    canvas[rows, columns] = _shade(colour, night)


def _mesh() -> tuple[np.ndarray, np.ndarray]:
    middle = (np.arange(SIZE * FINE) + 0.5) / FINE
    return middle[:, None], middle[None]


def _sky(canvas: np.ndarray, rng: np.random.Generator, night: bool) -> None:
    y, x = _mesh()
    top, bottom = ((12, 16, 44), (52, 48, 88)) if night else ((88, 150, 235), (215, 230, 248))
    depth = np.clip(y / HORIZON, 0, 1)[..., None]
    canvas[:] = np.asarray(top) * (1 - depth) + np.asarray(bottom) * depth
    cx, cy, stars = rng.uniform(8, SIZE - 8), rng.uniform(7, 14), rng.random((SIZE, SIZE)) > 0.99
    if night:
        canvas[stars.repeat(FINE, 0).repeat(FINE, 1) & (y < HORIZON - 8)] = 215
    disc = np.hypot(x - cx, y - cy) < 4
    crescent = disc & (np.hypot(x - cx - 2, y - cy + 1) >= 3.6)
    canvas[crescent if night else disc] = (238, 236, 214) if night else (255, 236, 130)


def _hills(canvas: np.ndarray, rng: np.random.Generator, night: bool) -> None:
    y, x = _mesh()
    for base, colour in ((HORIZON - 10, (150, 170, 190)), (HORIZON - 5, (115, 155, 105))):
        wave = [rng.uniform(1, 4) * np.sin(x / SIZE * rng.uniform(4, 12) + rng.uniform(0, 6.3)) for _ in range(2)]
        canvas[y > base + sum(wave)] = _shade(colour, night)


def _houses(rng: np.random.Generator) -> list[House]:
    houses, left = [], int(rng.integers(0, 6))
    while left < SIZE - 8:
        width, height = int(rng.integers(9, 17)), int(rng.integers(12, 28))
        wall, roof = int(rng.integers(len(WALLS))), int(rng.integers(len(ROOFS)))
        houses.append(House(left, width, height, wall, roof, bool(rng.random() < 0.6), rng.random((8, 8)) < 0.5))
        left += width + int(rng.integers(0, 7))
    return houses


def _house(canvas: np.ndarray, house: House, night: bool) -> None:
    y, x = _mesh()
    ground, top = STREET - 2, STREET - 2 - house.height
    if house.gabled:
        reach = (y - top + 6) / 6 * (house.width / 2 + 1)  # a triangle six pixels high with eaves
        canvas[(abs(x - house.left - house.width / 2) <= reach) & (y < top) & (y > top - 6)] = _shade(
            ROOFS[house.roof], night
        )
    else:
        _fill(canvas, top - 1.5, top, house.left - 0.5, house.left + house.width + 0.5, ROOFS[house.roof], night)
    _fill(canvas, top, ground, house.left, house.left + house.width, WALLS[house.wall], night)
    door = house.left + house.width // 2 - 1
    _fill(canvas, ground - 5, ground, door, door + 3, (85, 60, 45), night)
    for row, upper in enumerate(range(top + 2, ground - 8, 5)):
        for column, near in enumerate(range(house.left + 2, house.left + house.width - 3, 4)):
            shining = night and house.lit[row, column]
            _fill(
                canvas,
                upper,
                upper + 3,
                near,
                near + 2,
                (255, 214, 110) if shining else (105, 135, 165),
                night and not shining,
            )


def _street(canvas: np.ndarray, night: bool) -> None:
    _fill(canvas, STREET - 2, STREET, 0, SIZE, (185, 180, 175), night)
    _fill(canvas, STREET, SIZE, 0, SIZE, (95, 95, 102), night)
    for left in range(2, SIZE, 10):
        _fill(canvas, STREET + 4, STREET + 5, left, left + 5, (235, 235, 225), night)


def _lamp(canvas: np.ndarray, left: int, night: bool) -> None:
    y, x = _mesh()
    _fill(canvas, STREET - 13, STREET, left, left + 1, (60, 62, 68), night)
    _fill(
        canvas, STREET - 15, STREET - 13, left - 0.5, left + 1.5, (255, 232, 160) if night else (225, 225, 215), False
    )
    if night:
        glow = np.exp(-(np.hypot(x - left - 0.5, y - STREET + 14) ** 2) / 30)[..., None]
        canvas += 0.7 * glow * (np.asarray((255, 220, 140)) - canvas)
