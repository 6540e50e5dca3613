"""One call from pictures to a trained model, for the course's data sets and for a learner's own.

    learn(MeanRegression(), pairs, steps=1_500)                       regressions, flows, bridges
    learn_game(Pix2Pix(), pairs, steps=1_500)                         pix2pix and CycleGAN
    learn_game(CycleGan(), Unpaired(days, nights), steps=3_000)

What it does is `course_lib.training`: look there for the loop.
"""

from functools import partial
from pathlib import Path

from course_lib.data.pairs import Pairs
from course_lib.data.unpaired import Unpaired
from course_lib.model import Model
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine


def learn(
    model: Model, data: Pairs, steps: int, *, batch: int = 64, seed: int = 0, resume: Path | None = None
) -> Model:
    """Train a model with one objective on pairs, and return it with averaged weights.

    Parameters
    ----------
    model : Model
        A `Translator` that does not play; trained in place, on its device.
    data : Pairs
        On the model's device: `data.to(model.device)`.
    steps : int
    batch : int
        Pairs a step.
    seed : int
        Of the order of the pairs and of the noise.
    resume : path, optional
        As for `fit`.
    """
    training = train_steps(
        model,
        data.batches(batch, seed),
        steps,
        optimizer=partial(adamw, lr=2e-3),
        lr_factor=warmup_cosine(steps),
        seed=seed,
    )
    return _averaged(model, training, steps, resume)


def learn_game(
    model: Model, data: Pairs | Unpaired, steps: int, *, batch: int = 64, seed: int = 0, resume: Path | None = None
) -> Model:
    """As `learn`, for models that play: Adam without momentum, at half the rate."""
    training = train_steps(
        model,
        data.batches(batch, seed),
        steps,
        optimizer=partial(adamw, lr=1e-3, betas=(0.0, 0.99)),
        lr_factor=warmup_cosine(steps),
        seed=seed,
    )
    return _averaged(model, training, steps, resume)


def _averaged(model: Model, training: train_steps, steps: int, resume: Path | None) -> Model:
    ema = Ema(model, decay=0.998)
    fit(training, ema=ema, resume=resume)
    return ema.model
