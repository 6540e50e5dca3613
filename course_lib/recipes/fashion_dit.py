"""fashion_dit: a class-conditional flow whose network is a transformer, on all 60,000 images of Fashion-MNIST.

About as many minutes as `fashion_flow`, so that the leaderboard can compare the two networks: 55 on one CPU core with
bfloat16. Patches of 2 x 2 pixels make 196 places that all look at each other, so an epoch costs three times what it
costs the U-Net, and here there are five.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.device import seeded
from course_lib.features import fashion_score
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.transformers.dit import DitFlow

STEPS = 5_000
BATCH = 64
SEED = 0
EVALUATIONS = 8  # a quarter of the U-Net's: each costs three times as much


def build() -> DitFlow:
    torch.manual_seed(SEED)
    return DitFlow(channels=1, size=28, patch=2, width=64, depth=6, heads=2, classes=10, drop=0.1)


def data() -> Images:
    """Fashion-MNIST, train"""
    return fashion("train", full=True)


def train(model: DitFlow, images: Images, steps: int = STEPS, resume: Path | None = None) -> DitFlow:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.999)
    training = train_steps(
        model,
        images.batches(BATCH, SEED),
        steps,
        optimizer=partial(adamw, lr=2e-3),
        lr_factor=warmup_cosine(steps, warmup=200),
        seed=SEED,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


def evaluate(model: DitFlow, n: int = 5_000) -> dict[str, float]:
    """Fréchet distance, its floor, precision and recall of `n` images, classes in turn."""
    with seeded(SEED, model.device):
        labels = torch.arange(n, device=model.device) % model.config["classes"]
        images = torch.cat([draw(model, part).cpu() for part in labels.split(250)])
    return {"evaluations": EVALUATIONS} | fashion_score(images)._asdict()


def draw(model: DitFlow, labels: Tensor) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1], as the checkpoint's metric is measured."""
    return last(model.sample(len(labels), labels, steps=EVALUATIONS)).clamp(-1, 1)
