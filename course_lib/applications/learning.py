"""One call from pictures to a trained model, for the course's data sets and for a learner's own.

    learn(steady(Bridge(), pairs, 1_500))                               regressions, flows, bridges
    learn(game(Pix2Pix(), pairs, 1_500))                                pix2pix
    learn(game(CycleGan(), Unpaired(days, nights), 3_000))              CycleGAN

The loop itself is `course_lib.training`; here stand the settings that have served all of them.
"""

from functools import partial
from pathlib import Path

from course_lib.data.pairs import Pairs
from course_lib.data.unpaired import Unpaired
from course_lib.model import Model
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine

BATCH = 64


def steady(model: Model, data: Pairs, steps: int, *, batch: int = BATCH, seed: int = 0) -> train_steps:
    """The training of a model with one objective; the data lie on the model's device."""
    return train_steps(
        model,
        data.batches(batch, seed),
        steps,
        optimizer=partial(adamw, lr=2e-3),
        lr_factor=warmup_cosine(steps),
        seed=seed,
    )


def game(model: Model, data: Pairs | Unpaired, steps: int, *, batch: int = BATCH, seed: int = 0) -> train_steps:
    """The training of models that play: at half the rate, without momentum, as an opponent's past is no guide."""
    return train_steps(
        model,
        data.batches(batch, seed),
        steps,
        optimizer=partial(adamw, lr=1e-3, betas=(0.0, 0.99)),
        lr_factor=warmup_cosine(steps),
        seed=seed,
    )


def learn(training: train_steps, resume: Path | None = None) -> Model:
    """Train to the end, as `fit` does, and return the model with averaged weights."""
    ema = averaged(training)
    fit(training, ema=ema, resume=resume)
    return ema.model


def averaged(training: train_steps) -> Ema:
    """The average that `learn` takes, for those who drain a training themselves."""
    return Ema(training.model, decay=0.998)
