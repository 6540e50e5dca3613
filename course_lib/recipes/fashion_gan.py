"""fashion_gan: a class-conditional GAN on all 60,000 images of Fashion-MNIST.

Three epochs of R3GAN's game: ten minutes on one busy CPU core with bfloat16.
"""

from functools import partial
from pathlib import Path

import torch

from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.device import seeded
from course_lib.features import fashion_score
from course_lib.gans.images import ImageGan
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine

STEPS = 3_000
BATCH = 64
SEED = 0


def build(seed: int = SEED) -> ImageGan:
    torch.manual_seed(seed)
    return ImageGan(channels=1, size=28, width=48, latent=64, classes=10)


def data() -> Images:
    """Fashion-MNIST, train"""
    return fashion("train", full=True)


def train(model: ImageGan, images: Images, steps: int = STEPS, resume: Path | None = None) -> ImageGan:
    """Train and return the averaged model."""
    ema = averaged(model)
    fit(training(model, images, steps), ema=ema, resume=resume)
    return ema.model


def training(model: ImageGan, images: Images, steps: int = STEPS, seed: int = SEED) -> train_steps:
    """Adam without momentum: what the opponent did some steps ago is no guide to what it does now."""
    return train_steps(
        model,
        images.batches(BATCH, seed),
        steps,
        optimizer=partial(adamw, lr=1e-3, betas=(0.0, 0.99)),
        lr_factor=warmup_cosine(steps),
        seed=seed,
    )


def averaged(model: ImageGan) -> Ema:
    return Ema(model, decay=0.999)


def evaluate(model: ImageGan, n: int = 5_000) -> dict[str, float]:
    """Fréchet distance, its floor, precision and recall of `n` images, classes in turn."""
    with seeded(SEED, model.device):
        labels = torch.arange(n, device=model.device) % model.classes
        images = torch.cat([last(model.sample(len(part), part)).cpu() for part in labels.split(500)])
    return fashion_score(images)._asdict()
