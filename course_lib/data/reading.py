"""Read a scene of shapes back from its picture, exactly: the judge of text-to-image models.

Models that draw from words are judged by people or by other networks; here by arithmetic. Split the
picture at the gap between its two things; take each one's colour; slide the eight stamps over it and
keep the best (a matched filter); then draw what was read. If that is not the picture, the answer is
None: a smear is not a circle.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from course_lib.data.images import expect
from course_lib.data.shapes import COLOURS, GROUND, HALF, RADII, RELATIONS, SHAPES, SIZE, Scene, Thing, stamps

TOLERANCE = 0.03  # mean difference over the picture, as a share of full scale, that a sloppy hand may make
FAINT = 0.15  # coverage below which a pixel is ground


def read(pixels: Tensor) -> list[Scene | None]:
    """What each picture shows.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, 3, 32, 32)

    Returns
    -------
    list of Scene or None
        None where the picture is not two things on the ground.

    Raises
    ------
    ValueError
        If the pixels are not uint8 (N, 3, 32, 32).

    Examples
    --------
    >>> from course_lib.data.shapes import shapes
    >>> data = shapes(3, seed=0)
    >>> [str(scene) for scene in read(data.pixels)] == list(data.captions)
    True
    """
    expect("pixels", pixels, torch.uint8, ("N", 3, SIZE, SIZE))
    return [_read_one(picture) for picture in pixels.cpu().float()]


def score(pixels: Tensor, captions: tuple[str, ...]) -> dict[str, float]:
    """How well pictures show their captions, as shares in [0, 1].

    Returns
    -------
    dict of str to float
        "readable" (two things at all); of all pictures, "attributes" (each word of the six is in the
        picture, wherever), "binding" (both things are right, in either order), "relation" (the
        things stand as they should) and "exact" (binding and relation).
    """
    if len(pixels) != len(captions) or not captions:
        raise ValueError(
            f"there must be one caption for each picture and at least one, got {len(pixels)}, {len(captions)}"
        )
    rows = [_marks(seen, Scene.of(caption)) for seen, caption in zip(read(pixels), captions)]
    keys = ("readable", "attributes", "binding", "relation", "exact")
    return {key: sum(row[i] for row in rows) / len(rows) for i, key in enumerate(keys)}


def _marks(seen: Scene | None, meant: Scene) -> tuple[float, ...]:
    if seen is None:
        return (0.0,) * 5
    things = [[(t.size, t.colour, t.shape) for t in (scene.first, scene.second)] for scene in (seen, meant)]
    words = [sorted(word for thing in pair for word in thing) for pair in things]
    left = list(words[0])
    shared = sum(1 for word in words[1] if word in left and not left.remove(word))
    binding, relation = sorted(things[0]) == sorted(things[1]), seen.relation == meant.relation
    return 1.0, shared / 6, float(binding), float(relation), float(seen == meant)


def _read_one(picture: Tensor) -> Scene | None:
    parts = _split((GROUND - picture).abs().amax(0) > FAINT * 255)
    if parts is None:
        return None
    seen = [_thing(picture, part) for part in parts]
    redrawn = torch.full_like(picture, GROUND)
    for thing, row, column, mask in seen:
        colour = torch.tensor(COLOURS[thing.colour], dtype=torch.float32)[:, None, None]
        redrawn = redrawn + mask * (colour - redrawn)
    if (redrawn - picture).abs().mean() > TOLERANCE * 255:
        return None
    (first, y0, x0, _), (second, y1, x1, _) = seen
    beside = abs(x1 - x0) > abs(y1 - y0)
    if (x1 - x0 if beside else y1 - y0) < 0:
        first, second = second, first
    return Scene(first, RELATIONS[0 if beside else 1], second)


def _split(figure: Tensor) -> tuple[Tensor, Tensor] | None:
    """The figure's two parts, cut at the widest empty band of columns or of rows."""
    best, gap = None, 0
    for dim in (0, 1):
        filled = figure.any(dim).nonzero()[:, 0]
        if len(filled) < 2:
            return None
        width, at = (filled.diff() - 1).max(0)
        if width > gap:
            gap, cut = width, filled[at] + 1
            low = (torch.arange(SIZE) < cut)[None if dim == 0 else slice(None), None if dim == 1 else slice(None)]
            best = figure & low, figure & ~low
    return best


def _thing(picture: Tensor, part: Tensor) -> tuple[Thing, int, int, Tensor]:
    """The thing in one part of the picture, where its centre is, and its coverage of the picture."""
    ground = torch.full_like(picture, GROUND)
    own = torch.where(_grown(part), picture, ground)
    table = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    colour = _colour(own, table)
    towards = table[colour] - GROUND
    cover = ((own - GROUND) * towards[:, None, None]).sum(0) / towards.square().sum()
    fit = (
        2 * conv2d(cover[None, None], stamps()[:, None], padding=HALF - 1)[0]
        - stamps().square().sum((1, 2))[:, None, None]
    )
    kind, row, column = (int(i) for i in torch.unravel_index(fit.argmax(), fit.shape))
    size, shape = list(RADII)[kind // len(SHAPES)], SHAPES[kind % len(SHAPES)]
    canvas = torch.zeros(SIZE + 2 * HALF, SIZE + 2 * HALF)
    canvas[row + 1 : row + 2 * HALF, column + 1 : column + 2 * HALF] = stamps()[kind]
    return Thing(size, list(COLOURS)[colour], shape), row, column, canvas[HALF:-HALF, HALF:-HALF]


def _grown(part: Tensor) -> Tensor:
    """The part and the pixels around it, where its faint edge lies."""
    return conv2d(part.float()[None, None], torch.ones(1, 1, 3, 3), padding=1)[0, 0] > 0


def _colour(own: Tensor, table: Tensor) -> int:
    """The palette's colour nearest to the mean of the thing's strongest pixels."""
    strength = (own - GROUND).abs().sum(0).flatten()
    core = own.flatten(1)[:, strength >= 0.9 * strength.max()].mean(1)
    return int((table - core).square().sum(1).argmin())
