"""fashion_gan_seeds: does the recipe of fashion_gan work from any seed?

The same training five times, from other weights, other noise and another order of the images. On the way
it logs the distance to the real images, the averaged generator's, beside the discriminator's accuracy: the
equilibrium, if there is one, is where the second comes towards 1/2 while the first falls.
"""

import time
from collections.abc import Iterator

import torch

from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.gans.images import ImageGan
from course_lib.recipes import fashion_gan

SEEDS = range(5)
EVERY = 300  # steps between two measurements of the distance
MEASURED = 1_000


def run() -> Iterator[Run]:
    for seed in SEEDS:
        yield play(seed)[0]


def play(seed: int, steps: int = fashion_gan.STEPS) -> tuple[Run, ImageGan]:
    """One training with what was measured on the way, and the averaged model: for seed 0 the shipped one."""
    model, images = fashion_gan.build(seed), fashion_gan.data()
    ema, curves = fashion_gan.averaged(model), {"distance": [], "recall": []}
    seconds, start = 0.0, time.process_time()
    for step in fashion_gan.training(model, images, steps, seed):
        ema.update()
        for name, value in step.logs.items():
            curves.setdefault(name, []).append(value.item())
        if step.index % EVERY == EVERY - 1:
            seconds += time.process_time() - start  # measuring is no part of the training
            score = fashion_gan.evaluate(ema.model, MEASURED)
            curves["distance"].append(score["distance"])
            curves["recall"].append(score["recall"])
            start = time.process_time()
    seconds, device = round(seconds + time.process_time() - start), device_name(model.device)
    short = {name: thinned(torch.tensor(values)) for name, values in curves.items()}
    return Run("fashion_gan", seed, steps, seconds, device, fashion_gan.evaluate(ema.model), short), ema.model
