"""map_contest: a satellite's photograph as a relief map, four ways.

One network, equal steps, equal batches in equal order: a regression, pix2pix, a flow from noise and a bridge from the
photograph, trained on three continents and asked about the Americas. Unlike a night, a map is nearly determined by
what is given, so here the regression's question is nearly the right one; what draws add is to be seen in the ratio.
"""

import time
from collections.abc import Callable, Iterator

import torch

from course_lib.applications.bridge import Bridge, PairedFlow
from course_lib.applications.learning import averaged, game, steady
from course_lib.applications.measures import agreement, patch_distance, sharpness
from course_lib.applications.pix2pix import Pix2Pix
from course_lib.applications.translation import MeanRegression, Translator
from course_lib.data.earth import earth_map
from course_lib.data.pairs import Pairs
from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.metrics import psnr
from course_lib.recipes import night_flow
from course_lib.training import fit, train_steps

SIZES = {"size": 32, "width": 32, "depth": 1}
WAYS: dict[str, tuple[Callable[[], Translator], Callable[..., train_steps]]] = {
    "L2": (lambda: MeanRegression(**SIZES), steady),
    "pix2pix": (lambda: Pix2Pix(**SIZES, weight=10.0), game),
    "flow": (lambda: PairedFlow(**SIZES), steady),
    "bridge": (lambda: Bridge(**SIZES), steady),
}
SEED, STEPS, MEASURED = 0, 500, 150


def run() -> Iterator[Run]:
    for name in WAYS:
        yield play(name)


def play(name: str, steps: int = STEPS) -> Run:
    """Train one of them and judge it where it never was."""
    build, training_of = WAYS[name]
    torch.manual_seed(SEED)
    start, pairs, model = time.process_time(), data(), build()
    training = training_of(model, pairs, steps, seed=SEED)
    ema = averaged(training)
    curves = {key: thinned(curve) for key, curve in fit(training, ema=ema).items()}
    seconds = round(time.process_time() - start, 1)
    return Run(name, SEED, steps, seconds, device_name(model.device), judged(ema.model), curves)


def data(split: str = "train") -> Pairs:
    """Photographs and maps of the same places, 32 px."""
    return earth_map(split, SIZES["size"])


def judged(model: Translator) -> dict[str, float]:
    """Squared errors of draws, sharpness and patches, on places of the Americas."""
    pairs = data("test")
    pairs = pairs[torch.linspace(0, len(pairs) - 1, MEASURED).long()]
    drawn = night_flow.answers(model, pairs)
    return agreement(drawn, pairs.x) | {
        "psnr": psnr(drawn[0], pairs.x).mean().item(),
        "sharpness": sharpness(drawn[0]).item(),
        "true sharpness": sharpness(pairs.x).item(),
        "patches": patch_distance(drawn[0], pairs.x).item(),
    }
