"""vae_bits: how few bits a pixel costs after five minutes on one CPU core.

The networks of `fashion_vae`, with one latent vector and with latents on two levels, on all 60,000
training images, from three seeds; as many steps as five processor minutes allowed where it was logged.
What counts is the bound on the 10,000 test images.
"""

import time
from collections.abc import Iterator
from functools import partial

import torch

from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.device import device_name, seeded
from course_lib.experiments import Run, thinned
from course_lib.model import Model
from course_lib.recipes.fashion_vae import BATCH
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.vaes.topdown import TopDownVae
from course_lib.vaes.vae import Vae, measure

KINDS = {"one vector": (Vae, 7_500), "two levels": (TopDownVae, 5_500)}
SEEDS = range(3)


def run() -> Iterator[Run]:
    images = fashion("train", full=True)
    for name, (kind, steps) in KINDS.items():
        for seed in SEEDS:
            torch.manual_seed(seed)
            yield train(name, kind(), images, seed, steps)


def train(name: str, model: Model, images: Images, seed: int, steps: int) -> Run:
    """Train from one seed and measure on the test images."""
    start, bits, ema = time.process_time(), [], Ema(model, decay=0.998)
    optimizer, rate = partial(adamw, lr=3e-3), warmup_cosine(steps, warmup=100)
    batches = images.batches(BATCH, seed)
    for step in train_steps(model, batches, steps, optimizer=optimizer, lr_factor=rate, seed=seed):
        ema.update()
        bits.append(step.logs["model/bits"].item())
    seconds, curves = round(time.process_time() - start, 1), {"bits": thinned(torch.tensor(bits))}
    with seeded(seed, model.device):
        results = measure(ema.model, fashion("test", full=True))
    return Run(name, seed, steps, seconds, device_name(model.device), results, curves)
