"""super_resolution_contest: four times as many pixels a side, five ways, on photographs.

Bicubic knows nothing of pictures. Of the others each has the same network, steps and batches: a regression on squares,
pix2pix, a flow from noise and a bridge from the coarse picture. All are placed on the perception-distortion plane,
as they come and after the projection onto pictures that agree with the measurement. `earth_resolution_contest` is the
same on the Earth from above.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from course_lib.applications.bridge import Bridge, PairedFlow
from course_lib.applications.learning import averaged, game, steady
from course_lib.applications.pix2pix import Pix2Pix
from course_lib.applications.superresolution import bicubic, coarse_and_fine
from course_lib.applications.translation import MeanRegression, Translator
from course_lib.data.earth import earth
from course_lib.data.images import Images
from course_lib.data.pairs import Pairs
from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.recipes import fashion_superresolution as photographs
from course_lib.training import fit, train_steps


class Field(NamedTuple):
    """Where the ways meet: pictures to learn from and to be judged on, the network's sizes, steps and batch."""

    data: Callable[[], Pairs]
    held_out: Callable[[int], Pairs]
    sizes: dict[str, int]
    steps: int
    batch: int
    spread: float  # of the bridge


def earth_tiles(split: str = "train") -> Pairs:
    """The Earth by day, 64 px; the Americas are for testing."""
    tiles = earth(split, 64).source
    return coarse_and_fine(Images(tiles, torch.zeros(len(tiles), dtype=torch.int64)))


def earth_held_out(n: int) -> Pairs:
    """n tiles of the Americas, spread over them."""
    pairs = earth_tiles("test")
    return pairs[torch.linspace(0, len(pairs) - 1, n).long()]


PHOTOGRAPH = {"channels": 1, "size": 28, "width": 32, "depth": 1}
TILE = {"channels": 3, "size": 64, "width": 32, "depth": 1}
FIELDS = {
    "fashion": Field(photographs.data, photographs.held_out, PHOTOGRAPH, 400, photographs.BATCH, photographs.SPREAD),
    "earth": Field(earth_tiles, earth_held_out, TILE, 800, 16, 0.2),
}
SEED = photographs.SEED
MEASURED = 120
WEIGHT = 10.0  # of L1 in pix2pix: the detail is a tenth of what a picture is


def build(place: str, way: str) -> tuple[Translator, Callable[..., train_steps]]:
    """One of the four ways that learn, and how it is trained; all of them only add to the coarse picture."""
    torch.manual_seed(SEED)
    sizes = FIELDS[place].sizes
    match way:
        case "L2":
            return MeanRegression(keep=1.0, **sizes), steady
        case "pix2pix":
            return Pix2Pix(keep=1.0, weight=WEIGHT, **sizes), game
        case "flow":
            return PairedFlow(keep=1.0, **sizes), steady
        case "bridge":
            return Bridge(keep=1.0, spread=FIELDS[place].spread, **sizes), steady
        case _:
            raise ValueError(f"a way is L2, pix2pix, flow or bridge, got {way!r}")


def run() -> Iterator[Run]:
    yield from meet("fashion")


def meet(place: str) -> Iterator[Run]:
    """All ways at one place."""
    yield untrained(place)
    for way in ("L2", "pix2pix", "flow", "bridge"):
        yield play(place, way)[0]


def untrained(place: str) -> Run:
    """What a picture viewer does."""
    pairs = FIELDS[place].held_out(MEASURED)
    results = photographs.placed(bicubic(pairs.y), pairs)
    return Run(f"{place}: bicubic", SEED, 0, 0.0, device_name(torch.device("cpu")), results, {})


def play(place: str, way: str, steps: int | None = None) -> tuple[Run, Translator]:
    """Train one of them, and judge it on pictures that it never saw."""
    field = FIELDS[place]
    steps = field.steps if steps is None else steps
    start, pairs, (model, training_of) = time.process_time(), field.data(), build(place, way)
    training = training_of(model, pairs, steps, batch=field.batch, seed=SEED)
    ema = averaged(training)
    curves = {key: thinned(curve) for key, curve in fit(training, ema=ema).items()}
    seconds = round(time.process_time() - start, 1)
    results = {"parameters": float(sum(p.numel() for p in model.net.parameters()))}
    results |= photographs.judged(ema.model, field.held_out(MEASURED))
    return Run(f"{place}: {way}", SEED, steps, seconds, device_name(model.device), results, curves), ema.model
