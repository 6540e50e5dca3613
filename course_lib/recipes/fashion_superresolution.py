"""fashion_superresolution: photographs of 7 x 7 pixels as photographs of 28 x 28.

A Brownian bridge from the coarse picture to a fine one, on all 60,000 images of Fashion-MNIST. Less than a minute on
one CPU core with bfloat16.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.applications.bridge import Bridge
from course_lib.applications.learning import learn, steady
from course_lib.applications.measures import agreement, draws
from course_lib.applications.superresolution import coarse_and_fine, consistent, plane
from course_lib.data.fashion import fashion
from course_lib.data.pairs import Pairs
from course_lib.device import seeded
from course_lib.model import Model, last

STEPS = 2_500
BATCH = 32
SEED = 0
SPREAD = 0.5
DRAWS = 4


def build() -> Bridge:
    torch.manual_seed(SEED)
    return Bridge(channels=1, size=28, width=32, depth=1, keep=1.0, spread=SPREAD)


def data() -> Pairs:
    """Fashion-MNIST, train, with its 4 x 4 blocks as means"""
    return coarse_and_fine(fashion("train", full=True))


def train(model: Bridge, pairs: Pairs, steps: int = STEPS, resume: Path | None = None) -> Bridge:
    """Train and return the averaged model."""
    return learn(steady(model, pairs, steps, batch=BATCH, seed=SEED), resume)


def held_out(n: int) -> Pairs:
    """The first n test images as pairs."""
    return coarse_and_fine(fashion("test")[:n])


def evaluate(model: Model, n: int = 200) -> dict[str, float]:
    """Places on the perception-distortion plane, and the squared errors of several draws, on test images."""
    return judged(model, held_out(n))


def judged(model: Model, pairs: Pairs) -> dict[str, float]:
    """What `evaluate` reports, of any model that translates; "made consistent" is after the projection."""
    with seeded(SEED, model.device):
        drawn = draws(model, pairs.y.to(model.device), DRAWS).cpu()
    return placed(drawn[0], pairs) | agreement(drawn, pairs.x)


def placed(x: Tensor, pairs: Pairs) -> dict[str, float]:
    """Where results stand, and where their projections stand."""
    after = plane(consistent(x, pairs.y), pairs.x, pairs.y)
    return plane(x, pairs.x, pairs.y)._asdict() | {f"{key} made consistent": v for key, v in after._asdict().items()}


def draw(model: Model, labels: Tensor) -> Tensor:
    """Fine pictures of coarse test images, one a label, whatever it says."""
    return last(model.sample(len(labels), held_out(len(labels)).y.to(model.device))).clamp(-1, 1)
