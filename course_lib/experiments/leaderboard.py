"""leaderboard: every family on the same clothes, at the same number, by the same judge, on one machine.

Each contestant draws 5,000 images, classes in turn, several times from other noise. Curves hold what each draw was
found to be: their spread is the chance of drawing, not that of training, since every model was trained once. The draws
of real images come from 10,000 and share half of them. Seconds are a processor's, with one thread; a training's are
those of a few of its steps, on this machine, times all of them.
"""

import functools
import time
from collections.abc import Iterator
from importlib import import_module

import torch

from course_lib.device import device_name, seeded
from course_lib.energy import Meter
from course_lib.experiments import Run
from course_lib.experiments.board.contestants import Contestant, contestants, small
from course_lib.experiments.energy import after
from course_lib.features import fashion_score

N, DRAWS, PART = 5_000, 3, 250
FEW, MORE = 4, 20  # steps of a training
MEMBERS = ("excess", "precision", "recall")


def run() -> Iterator[Run]:
    for contestant in contestants():
        yield entry(contestant)


def entry(contestant: Contestant, n: int = N, draws: int = DRAWS) -> Run:
    """Draw, judge and measure one of them."""
    start, meter = time.process_time(), Meter(torch.device("cpu"))
    labels, scores, spent = torch.arange(n) % 10, [], 0.0
    for seed in range(draws):
        with seeded(seed, meter.device), meter:
            began = time.process_time()
            images = torch.cat([contestant.draw(part) for part in labels.split(PART)])
            spent += time.process_time() - began
        scores.append(fashion_score(images.clamp(-1, 1)))
    results = {"n": n, "floor": scores[0].floor, "parameters": contestant.parameters} | cost(contestant)
    results |= {"seconds each": spent / (draws * n), "joules each": meter.energy().total / (draws * n)}
    results |= contestant.bits() if contestant.bits else {}
    curves = {name: [getattr(score, name) for score in scores] for name in MEMBERS}
    source = f"{device_name(meter.device)}; {', '.join(meter.gauges)}"
    return Run(contestant.name, 0, draws, round(time.process_time() - start, 1), source, results, curves)


def cost(contestant: Contestant) -> dict[str, float]:
    """Evaluations an image, and the seconds and joules of all trainings that it took; a reference has none."""
    if not contestant.trainings:
        return {}
    trainings = [training(name) for name in contestant.trainings]
    seconds, joules = (sum(part) for part in zip(*trainings))
    return {"evaluations": contestant.evaluations, "training seconds": seconds, "training joules": joules}


@functools.cache
def training(name: str) -> tuple[float, float]:
    """Processor seconds and joules of all steps of a recipe, from a few of them, on less data."""
    recipe, spent = import_module(f"course_lib.recipes.{name}"), []
    after(recipe, small(name), 1)  # what the first step prepares belongs to none
    for steps in (FEW, MORE):  # their difference is free of what a start costs
        start = time.process_time()
        energy = after(recipe, small(name), steps)
        spent.append((time.process_time() - start, energy.total))
    (few, few_joules), (more, more_joules) = spent
    each = recipe.STEPS / (MORE - FEW)
    return each * (more - few), each * (more_joules - few_joules)
