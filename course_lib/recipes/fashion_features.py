"""fashion_features: the classifier whose features judge all images of clothes.

Six epochs, four minutes on one CPU core. Its accuracy is beside the point; that its features stay the
same is not, so this recipe runs once, and `course_lib.features` pins the result by its hash.
"""

from pathlib import Path

import torch

from course_lib.checkpoints import rounded
from course_lib.data.fashion import fashion, others
from course_lib.data.images import Images, to_float
from course_lib.features import FeatureNet
from course_lib.features.fashion import REFERENCE
from course_lib.features.judging import unit, write_statistics
from course_lib.metrics import embed, statistics
from course_lib.training import Ema, fit, train_steps, warmup_cosine

STEPS = 3_000
BATCH = 128
SEED = 0


def build() -> FeatureNet:
    torch.manual_seed(SEED)
    return FeatureNet(channels=1, classes=10, dim=128)


def data() -> Images:
    return fashion("train", full=True)


def train(model: FeatureNet, images: Images, steps: int = STEPS, resume: Path | None = None) -> FeatureNet:
    """Train, and set the unit of its distances."""
    ema = Ema(model, decay=0.99)
    training = train_steps(model, images.batches(BATCH, SEED), steps, lr_factor=warmup_cosine(steps), seed=SEED)
    fit(training, ema=ema, resume=resume)
    ema.model.scale.copy_(unit(embed(others().x, ema.model)))
    return ema.model


def evaluate(model: FeatureNet) -> dict[str, float]:
    """Accuracy on the test images at hand."""
    test = fashion("test", full=True)
    with torch.no_grad():
        guess = torch.cat([model.logits(to_float(part)).argmax(dim=1) for part in test.pixels.split(500)])
    return {"accuracy": (guess == test.labels).float().mean().item()}


def write_reference(model: FeatureNet) -> None:
    """Write the statistics of the 55,000 other images, the fixed side of every distance."""
    write_statistics(REFERENCE, statistics(embed(others().x, rounded(model))))
