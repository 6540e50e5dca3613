"""pixel_bits: the same digits, pixel by pixel, by four kinds of memory.

Mamba, Mamba-2, S4D and the transformer of module 4, with two blocks of 64 features each, the same batches, steps and
learning rate. Every one gives an exact likelihood of the same 64 grey levels, so their bits can be compared as they
are. What differs besides is what a step of drawing must keep and how long it takes.
"""

import math
import time
from collections.abc import Iterator
from functools import partial

import torch

from course_lib.data.digits import digits, levels
from course_lib.data.images import Batch
from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.model import Model, last
from course_lib.recipes.digits_mamba import BATCH, STEPS
from course_lib.ssms.pixels import Mamba2Pixels, MambaPixels, S4Pixels
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.transformers.prior import TokenSet
from course_lib.transformers.raster import Raster

SEEDS = range(2)
NETWORKS = {
    "Mamba": MambaPixels,
    "Mamba-2": Mamba2Pixels,
    "S4D": S4Pixels,
    "transformer": lambda: Raster(codes=17, side=8, width=64, depth=2, heads=4, classes=10),
}


def run() -> Iterator[Run]:
    for seed in SEEDS:
        for name, build in NETWORKS.items():
            torch.manual_seed(seed)
            yield train(name, build(), seed)


def train(name: str, model: Model, seed: int, steps: int = STEPS) -> Run:
    """Train one of them and ask for the bits of digits by other writers."""
    start, losses, ema = time.process_time(), [], Ema(model, decay=0.99)
    rate = warmup_cosine(steps, warmup=50)
    for step in train_steps(
        model, seen_by(model).batches(BATCH, seed), steps, optimizer=partial(adamw, lr=3e-3), lr_factor=rate, seed=seed
    ):
        ema.update()
        losses.append(step.logs["model/loss"].item() / math.log(2))
    seconds = round(time.process_time() - start, 1)
    results = {"parameters": sum(p.numel() for p in model.parameters())} | judged(ema.model)
    return Run(name, seed, steps, seconds, device_name(model.device), results, {"bits": thinned(torch.tensor(losses))})


def seen_by(model: Model, split: str = "train"):
    """The digits as a model wants them: images, or tokens for the transformer."""
    images = digits(split)
    if isinstance(model, Raster):
        return TokenSet(levels(images.pixels)[:, 0], images.labels)
    return images


@torch.no_grad()
def judged(model: Model, n: int = 100) -> dict[str, float]:
    """Bits a pixel on the test images; seconds to draw `n` images at once, a pixel after the other."""
    test = next(seen_by(model.eval(), "test").batches(360))
    bits = model.loss(Batch(*test))["loss"].item() / math.log(2)
    last(model.sample(n))
    start = time.process_time()
    last(model.sample(n))
    return {"bits": bits, "pixels a second": 64 * n / (time.process_time() - start)}
