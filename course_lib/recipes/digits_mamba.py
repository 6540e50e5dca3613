"""digits_mamba: handwritten digits, pixel by pixel, by Mamba; five minutes on one CPU core.

1,437 images are few: after some 600 steps the model knows them better than digits in general, so it stops there.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.digits import digits
from course_lib.data.images import Batch, Images
from course_lib.model import last
from course_lib.ssms.pixels import MambaPixels
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine

STEPS = 600
BATCH = 64
SEED = 0


def build() -> MambaPixels:
    torch.manual_seed(SEED)
    return MambaPixels(width=64, depth=2, state=16)


def data(split: str = "train") -> Images:
    """Handwritten digits, train"""
    return digits(split)


def train(model: MambaPixels, images: Images, steps: int = STEPS, resume: Path | None = None) -> MambaPixels:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.99)
    training = train_steps(
        model,
        images.batches(BATCH, SEED),
        steps,
        optimizer=partial(adamw, lr=3e-3),
        lr_factor=warmup_cosine(steps, warmup=50),
        seed=SEED,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


@torch.no_grad()
def evaluate(model: MambaPixels) -> dict[str, float]:
    """Bits a pixel on the 360 test images, by other writers, and on as many training images."""
    sets = {"bits": data("test"), "train bits": data()[:360]}
    batches = {name: Batch(images.x, images.labels).to(model.device) for name, images in sets.items()}
    return {name: model.loss(batch)["bits"].item() for name, batch in batches.items()}


def draw(model: MambaPixels, labels: Tensor) -> Tensor:
    """One image a label, (n, 1, 8, 8) in [-1, 1]."""
    return last(model.sample(len(labels), labels))
