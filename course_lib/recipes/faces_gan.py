"""faces_gan: a GAN of pixel-art faces that is told hair, hat, glasses and mouth.

The label is one of the 24 combinations, so what it was told can be read back from what it drew.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.faces import crossed, faces, uncrossed
from course_lib.data.images import Images
from course_lib.device import seeded
from course_lib.features import faces_score, read_faces
from course_lib.gans.images import ImageGan
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine

TOLD = ("hair", "hat", "glasses", "mouth")
STEPS = 4_000
BATCH = 64
SEED = 0
DATA_SEED = 5  # other faces than those of the splits and of the judge


def build() -> ImageGan:
    torch.manual_seed(SEED)
    return ImageGan(channels=3, size=16, width=48, latent=64, classes=len(data(1).classes))


def data(n: int = 50_000) -> Images:
    """Freshly drawn pixel-art faces"""
    return crossed(faces(n, seed=DATA_SEED), TOLD)


def train(model: ImageGan, images: Images, steps: int = STEPS, resume: Path | None = None) -> ImageGan:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.999)
    training = train_steps(
        model,
        images.batches(BATCH, SEED),
        steps,
        optimizer=partial(adamw, lr=1e-3, betas=(0.0, 0.99)),
        lr_factor=warmup_cosine(steps),
        seed=SEED,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


def evaluate(model: ImageGan, n: int = 5_000) -> dict[str, float]:
    """Fréchet distance, its floor, precision and recall of `n` faces; the share that shows what was told."""
    with seeded(SEED, model.device):
        labels = torch.arange(n, device=model.device) % model.classes
        images = torch.cat([last(model.sample(len(part), part)).cpu() for part in labels.split(500)])
    return faces_score(images)._asdict() | obeyed(images, labels.cpu())


def obeyed(images: Tensor, labels: Tensor) -> dict[str, float]:
    """For each attribute that was told, the share of the faces that show it."""
    read, told = read_faces(images), uncrossed(labels, TOLD)
    return {name: (read[name] == told[name]).float().mean().item() for name in TOLD}
