"""streets_cyclegan: streets by day become streets by night, learned without a pair.

The scenes are drawn in pairs, and the pairs are hidden: the days of one half of the scenes, the nights of the other.
Other scenes, with their pairs, are for the marking alone. Eight minutes on one CPU core with bfloat16.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_lib.applications.cyclegan import CycleGan
from course_lib.applications.learning import game, learn
from course_lib.applications.steganography import noise_attack, relit
from course_lib.data.images import Images, to_float, to_uint8
from course_lib.data.pairs import Pairs
from course_lib.data.streets import streets
from course_lib.data.unpaired import Unpaired
from course_lib.metrics import psnr
from course_lib.model import last

SIZE = 32
STEPS = 3_500
BATCH = 16
SEED = 0
SCENES = 2_000  # half of them by day, half by night
DATA_SEED, HELD_OUT_SEED = 6, 7
LEVELS = (0, 1, 2, 4, 8, 16)  # of 255


def build() -> CycleGan:
    torch.manual_seed(SEED)
    return CycleGan(size=SIZE, width=24, depth=3, critic=20)


def data(n: int = SCENES) -> Unpaired:
    """Drawn streets, 32 px, days and nights of different scenes"""
    pairs = scenes(n, DATA_SEED)
    days, nights = pairs.source[: n // 2], pairs.target[n // 2 :]
    return Unpaired(*(Images(pixels, torch.zeros(len(pixels), dtype=torch.int64)) for pixels in (days, nights)))


def scenes(n: int, seed: int = HELD_OUT_SEED) -> Pairs:
    """Streets at half their size, with their pairs."""
    pairs = streets(n, seed)
    source, target = (to_uint8(avg_pool2d(to_float(pixels), 2)) for pixels in (pairs.source, pairs.target))
    return Pairs(source, target, pairs.place)


def train(model: CycleGan, images: Unpaired, steps: int = STEPS, resume: Path | None = None) -> CycleGan:
    """Train and return the averaged model."""
    return learn(game(model, images, steps, batch=BATCH, seed=SEED), resume)


def evaluate(model: CycleGan, n: int = 300) -> dict[str, float]:
    """PSNR against the hidden truth, both ways; what night -> day -> night brings back, and what noise leaves."""
    pairs = scenes(n)
    day, night = pairs.y.to(model.device), pairs.x.to(model.device)
    there, back = translations(model)
    made_day = back(night)
    attacked = noise_attack(made_day, there, night, LEVELS)
    honest = noise_attack(day, there, night, LEVELS)
    return {
        "day to night": psnr(there(day), night).mean().item(),
        "night to day": psnr(made_day, day).mean().item(),
        "untouched": psnr(day, night).mean().item(),
        "relit": relit(there(made_day), night).item(),
        "relit from a true day": relit(there(day), night).item(),
        **{f"cycle at {level}": value for level, value in zip(LEVELS, attacked.tolist())},
        **{f"true day at {level}": value for level, value in zip(LEVELS, honest.tolist())},
    }


def translations(model: CycleGan):
    """The two generators as functions of pictures: day to night, night to day."""
    return (lambda x: model.translate(x, model.there)), (lambda x: model.translate(x, model.back))


def draw(model: CycleGan, labels: Tensor) -> Tensor:
    """Nights of streets that the model never saw, one a label, whatever it says."""
    return last(model.sample(len(labels), scenes(len(labels)).y.to(model.device)))
