"""mixture_games: which game finds all 25 modes?

The same two perceptrons, the same steps, five seeds, three games on the 5 x 5 Gaussians. Coverage is
counted on the averaged generator as training goes on.

The weights of the penalties were chosen on these very data. Between modes that are 0.03 wide and 0.4 apart
a useful discriminator is steep, and the papers' weights, made for images, would forbid it. R3GAN got a
second look: at 0.005 it ended a mode short from two of the five seeds. WGAN-GP and its one critic step a
round got one look only.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from course_lib.data.images import Batch
from course_lib.data.points import grid
from course_lib.device import device_name, seeded
from course_lib.experiments import Run, thinned
from course_lib.gans import games
from course_lib.gans.points import PointGan, coverage
from course_lib.model import last
from course_lib.training import Ema, adamw, train_steps, warmup_cosine

GAMES = {
    "non-saturating": games.nonsaturating,
    "WGAN-GP": replace(games.wasserstein, weight=0.1),
    "R3GAN": replace(games.relativistic, weight=0.02),
}
SEEDS = range(5)
STEPS = 4_000
BATCH = 256
EVERY = 100  # steps between two counts
COUNTED = 2_500


def run() -> Iterator[Run]:
    for name, game in GAMES.items():
        for seed in SEEDS:
            yield play(name, game, seed)


def play(name: str, game: games.Game, seed: int, steps: int = STEPS) -> Run:
    """Train one game from one seed and count what its generator covers on the way."""
    torch.manual_seed(seed)
    model, start = PointGan(game), time.process_time()
    ema, curves = Ema(model, decay=0.99), {"modes": [], "quality": [], "accuracy": []}
    for step in training(model, steps, seed):
        ema.update()
        curves["accuracy"].append(step.logs["discriminator/accuracy"].item())
        if step.index % EVERY == EVERY - 1:
            modes, quality = covered(ema.model, seed)
            curves["modes"].append(modes)
            curves["quality"].append(quality)
    return Run(
        name,
        seed,
        steps,
        round(time.process_time() - start, 1),
        device_name(model.device),
        covered(ema.model, seed)._asdict(),
        {name: thinned(torch.tensor(values, dtype=torch.float32)) for name, values in curves.items()},
    )


def training(model: PointGan, steps: int, seed: int) -> train_steps:
    """The same training for every game: Adam without momentum, as Huang et al. 2024 have it."""
    optimizer = partial(adamw, lr=2e-3, betas=(0.0, 0.99))
    return train_steps(model, batches(seed), steps, optimizer=optimizer, lr_factor=warmup_cosine(steps), seed=seed)


def batches(seed: int) -> Iterator[Batch]:
    """Fresh points of the 5 x 5 Gaussians without end."""
    data, labels, at = grid(5), torch.zeros(BATCH, dtype=torch.int64), seed * 1_000_000
    while True:
        yield Batch(data.sample(BATCH, seed=at)[0], labels)
        at += 1


def covered(model: PointGan, seed: int):
    with seeded(seed, model.device):
        return coverage(last(model.sample(COUNTED)), grid(5))
