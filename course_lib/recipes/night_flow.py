"""night_flow: the lights of a place by night, drawn from its picture by day.

A flow that is shown the source, trained on Africa, Europe, Asia and Oceania and measured on the Americas, which it
never saw. A few minutes on one CPU core with bfloat16.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.applications.bridge import PairedFlow
from course_lib.applications.learning import learn, steady
from course_lib.applications.measures import agreement, coverage, draws, lit_share, patch_distance, sharpness
from course_lib.data.earth import earth
from course_lib.data.pairs import Pairs
from course_lib.device import seeded
from course_lib.gans.transport import wasserstein
from course_lib.model import Model, last

SIZE = 32
STEPS = 500
SEED = 0
DRAWS = 8


def build() -> PairedFlow:
    torch.manual_seed(SEED)
    return PairedFlow(size=SIZE, width=32, depth=1)


def data(split: str = "train") -> Pairs:
    """Earth by day and by night, 32 px, without the Americas"""
    return earth(split, SIZE)


def train(model: PairedFlow, pairs: Pairs, steps: int = STEPS, resume: Path | None = None) -> PairedFlow:
    """Train and return the averaged model."""
    return learn(steady(model, pairs, steps, seed=SEED), resume)


def evaluate(model: Model, n: int = 150) -> dict[str, float]:
    """Squared errors of draws, their lights, sharpness and patches, on n places of the Americas."""
    pairs = places(n)
    return judged(answers(model, pairs), pairs.x)


def places(n: int, split: str = "test") -> Pairs:
    """n places of a split, spread over it."""
    pairs = data(split)
    return pairs[torch.linspace(0, len(pairs) - 1, n).long()]


def answers(model: Model, pairs: Pairs) -> Tensor:
    """What a model says to each place, asked `DRAWS` times, (DRAWS, n, 3, H, W)."""
    with seeded(SEED, model.device):
        return draws(model, pairs.y.to(model.device), DRAWS).cpu()


def judged(drawn: Tensor, truth: Tensor) -> dict[str, float]:
    """Answers of any model, against the truth.

    "lit" is the share of bright pixels, "lights" how far its distribution over places is from the true one, and
    "coverage" how often the true share lies among those of the draws: 7/9 if the truth might be one of them.
    """
    one = drawn[0]
    return {
        **agreement(drawn, truth),
        "lit": lit_share(one).mean().item(),
        "true lit": lit_share(truth).mean().item(),
        "coverage": coverage(torch.stack([lit_share(x) for x in drawn]), lit_share(truth)),
        "lights": wasserstein(lit_share(one), lit_share(truth)).item(),
        "sharpness": sharpness(one).item(),
        "true sharpness": sharpness(truth).item(),
        "patches": patch_distance(one, truth).item(),
    }


def draw(model: Model, labels: Tensor) -> Tensor:
    """Nights of places in the Americas, one a label, whatever it says."""
    return last(model.sample(len(labels), places(len(labels)).y.to(model.device))).clamp(-1, 1)
