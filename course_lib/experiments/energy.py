"""energy: what does an image cost, and what did the training?

Every shipped model that draws draws some images under the meter; the flow of clothes also with fewer evaluations, which
is where quality is bought with joules. Clothes and faces are scored, all at the same number. Then a few steps of each
training under the meter say what all of them must have taken.
"""

import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from course_lib.checkpoints import available, info, pretrained
from course_lib.device import device_name, seeded
from course_lib.energy import Energy, Meter
from course_lib.experiments import Run
from course_lib.features import faces_score, fashion_score
from course_lib.model import Model, last

SEED, SCORED, DRAWN, PART = 0, 500, 100, 100
EVALUATIONS = (1, 2, 4, 8, 16)  # of fashion_flow, which is shipped with 32
FEW, MORE = 4, 12  # steps of a training: their difference is free of what the start costs
JUDGES = {"fashion_features", "faces_attributes", "fashion_tokenizer"}  # they draw nothing, or nothing meant to be seen
SCORES = {(1, 28, 28): fashion_score, (3, 16, 16): faces_score}

Draw = Callable[[Model, int], Tensor]


def run() -> Iterator[Run]:
    for name in available():
        if name not in JUDGES:
            recipe = import_module(f"course_lib.recipes.{info(name)['recipe']}")
            yield logged(name, recipe, trained(recipe), measured(pretrained(name), drawer(recipe)))
    for steps in EVALUATIONS:
        flow = lambda model, n, steps=steps: last(model.sample(n, steps=steps)).clamp(-1, 1)
        recipe = import_module("course_lib.recipes.fashion_flow")
        yield logged(f"fashion_flow, {steps} evaluations", recipe, None, measured(pretrained("fashion_flow"), flow))


def logged(name: str, recipe: ModuleType, training: Energy | None, results: dict[str, float]) -> Run:
    """One line of the log; the counters of the meter stand with the device."""
    meter = Meter(torch.device("cpu"))
    with meter:
        source = ", ".join(meter.gauges)
    if training:
        results = results | {"training joules": training.total, "training seconds": training.seconds}
    seconds = round(results.get("seconds", 0.0), 1)
    return Run(name, SEED, recipe.STEPS, seconds, f"{device_name(meter.device)}; {source}", results, {})


def drawer(recipe: ModuleType) -> Draw:
    """How the recipe draws n images: by labels in turn or by captions of its data."""
    draw = getattr(recipe, "draw", None)
    if draw is None:
        return lambda model, n: last(model.sample(n))
    return lambda model, n: draw(model, conditions(model, n))


def conditions(model: Model, n: int) -> Tensor:
    if hasattr(model, "read"):
        return torch.zeros(n, model.length, dtype=torch.int64)  # no words: as long as any caption
    return torch.arange(n) % model.config.get("classes", 10)


def measured(model: Model, draw: Draw) -> dict[str, float]:
    """Joules and seconds an image; where there is a judge, how far the images are from real ones."""
    with seeded(SEED, model.device):
        first = draw(model, 2)[0]
        n = SCORED if first.shape in SCORES else DRAWN if first.ndim == 3 else 4
        with Meter(model.device) as meter:
            images = [draw(model, min(PART, n)).cpu() for _ in range(0, n, PART)]
    energy = meter.energy()
    results = {"images": float(n), "joules each": energy.total / n, "seconds each": energy.seconds / n}
    results |= {"seconds": energy.seconds, "parameters": float(sum(p.numel() for p in model.parameters()))}
    if first.shape in SCORES:
        score = SCORES[tuple(first.shape)](torch.cat(images).clamp(-1, 1))
        results |= {"excess": score.excess, "precision": score.precision, "recall": score.recall}
    return results


def trained(recipe: ModuleType, part: int = 2_000) -> Energy:
    """What all steps of a training take, from a few of them on a part of its data."""
    images = recipe.data()
    images = images[:part] if hasattr(images, "__getitem__") else images
    few, more = (after(recipe, images, steps) for steps in (FEW, MORE))
    each = recipe.STEPS / (MORE - FEW)
    joules = {name: each * (more.joules[name] - few.joules[name]) for name in more.joules}
    return Energy(joules, each * (more.seconds - few.seconds))


def after(recipe: ModuleType, images, steps: int) -> Energy:
    """What `fit` has read after so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "run.state"
        recipe.train(recipe.build(), images, steps, resume=state)
        return Energy(**torch.load(state, map_location="cpu", weights_only=True)["energy"])
