"""night_contest: four answers to one question, what does this place look like by night?

One network, equal steps, equal batches in equal order. Two regressions, a game and a flow are trained on three
continents and asked about the Americas. A day does not determine its night, so all of them err; what differs
is whether an answer looks like a night, and whether several answers tell how sure one may be.
"""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course_lib.applications.learning import averaged, game, steady
from course_lib.applications.pix2pix import Pix2Pix
from course_lib.applications.translation import MeanRegression, MedianRegression, Translator
from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.model import last
from course_lib.recipes import night_flow
from course_lib.training import fit, train_steps

SIZES = {"size": night_flow.SIZE, "width": 32, "depth": 1}
WAYS: dict[str, tuple[Callable[[], Translator], Callable[..., train_steps]]] = {
    "L2": (lambda: MeanRegression(**SIZES), steady),
    "L1": (lambda: MedianRegression(**SIZES), steady),
    "pix2pix": (lambda: Pix2Pix(**SIZES, weight=0.1), game),
    "flow": (night_flow.build, steady),
}
STEPS = night_flow.STEPS
MEASURED = 150  # places


def run() -> Iterator[Run]:
    regression = None
    for name in WAYS:
        finished, model = play(name, regression)
        regression = model if name == "L2" else regression
        yield finished


def play(name: str, regression: Translator | None, steps: int = STEPS) -> tuple[Run, Translator]:
    """Train one of them and judge it where it never was, and where it learned ("seen")."""
    build, training_of = WAYS[name]
    torch.manual_seed(night_flow.SEED)
    start, pairs, model = time.process_time(), night_flow.data(), build()
    training = training_of(model, pairs, steps, seed=night_flow.SEED)
    ema = averaged(training)
    curves = {key: thinned(curve) for key, curve in fit(training, ema=ema).items()}
    seconds = round(time.process_time() - start, 1)
    results = {"parameters": float(sum(p.numel() for p in model.net.parameters()))} | judged(ema.model, regression)
    return Run(name, night_flow.SEED, steps, seconds, device_name(model.device), results, curves), ema.model


def judged(model: Translator, regression: Translator | None) -> dict[str, float]:
    """All measures on both sides of the Atlantic; "to L2" is the gap between the draws' mean and the regression."""
    results = {}
    for prefix, split in (("", "test"), ("seen ", "train")):
        pairs = night_flow.places(MEASURED, split)
        drawn = night_flow.answers(model, pairs)
        found = night_flow.judged(drawn, pairs.x)
        if regression is not None:
            found["to L2"] = gap(drawn, last(regression.sample(len(pairs), pairs.y))).item()
        results |= {f"{prefix}{key}": value for key, value in found.items()}
    return results


def gap(drawn: Tensor, answer: Tensor) -> Tensor:
    """Squared distance from an answer to the mean that k draws estimate, without the part that is due to k."""
    return (drawn.mean(0) - answer).square().mean() - drawn.var(0).mean() / len(drawn)
