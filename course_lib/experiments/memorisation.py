"""memorisation: when does a model begin to copy?

A small flow on handwritten digits, trained for the same number of steps each time. First on more and more of them;
then on a set in which some images stand many times, not quite alike, and a few canaries with them: squares in a random
pattern, of which nobody could guess one; last on that set after near-duplicates were taken out.

What is not trained on serves as the measure: as many other digits, and a thousand canaries that were never inserted.
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.data.digits import digits
from course_lib.data.images import Images, to_uint8
from course_lib.device import device_name, seeded
from course_lib.diffusion.flow import Flow
from course_lib.ethics.memorisation import (
    TIMES,
    denoising_losses,
    exposure,
    membership,
    near_duplicates,
    replication,
)
from course_lib.experiments import Run, thinned
from course_lib.model import last
from course_lib.training import Ema, adamw, train_steps, warmup_cosine

SEEDS = range(1)
SIZES = (16, 50, 100, 200, 400, 800)
STEPS, BATCH = 1_000, 128
SAMPLES, EVALUATIONS = 1_000, 16
ONCE = 600  # digits that stand once in the set with duplicates
COPIES = (2, 4, 8, 16, 32, 64)  # how often others stand in it
EACH, CANARIES = 6, 2  # how many digits stand so often, and how many canaries
CANDIDATES = 1_023
LOOKS = (0, 10, 20, 40, 80, 160)  # steps after which the canaries' exposure is looked at
NOISE, WITHIN = 0.05, 0.12  # two copies of an image differ by the first; what is nearer than the second is one


def run() -> Iterator[Run]:
    for seed in SEEDS:
        for n in SIZES:
            yield of_size(n, seed)
        full = duplicated(seed)
        kept = ~near_duplicates(full.rows.x, WITHIN)
        yield with_duplicates("duplicates", full, seed)
        yield with_duplicates("duplicates taken out", full._replace(rows=full.rows[kept]), seed)
        yield exposed(full, seed)


def pool(seed: int) -> Images:
    """All 1,797 digits in random order."""
    train, test = digits(), digits("test")
    order = torch.randperm(len(train) + len(test), generator=torch.Generator().manual_seed(seed))
    return Images(torch.cat([train.pixels, test.pixels]), torch.cat([train.labels, test.labels]), train.classes)[order]


def trained(images: Images, seed: int, steps: int = STEPS) -> tuple[Flow, Tensor]:
    """The averaged model and its losses (steps,); each epoch shows each row equally often."""
    torch.manual_seed(seed)
    model, losses = Flow(channels=1, size=8, width=32, depth=1), []
    rows = torch.arange(len(images)).repeat(-(-8 * BATCH // len(images)))
    ema, rate = Ema(model, decay=0.99), warmup_cosine(steps)
    batches = images[rows].batches(BATCH, seed)
    for step in train_steps(model, batches, steps, optimizer=partial(adamw, lr=2e-3), lr_factor=rate, seed=seed):
        ema.update()
        losses.append(step.logs["model/loss"].item())
    return ema.model, torch.tensor(losses)


def drawn(model: Flow, labels: Tensor, seed: int, n: int = SAMPLES) -> Tensor:
    """n samples whose labels are those of the training images in turn."""
    with seeded(seed, model.device):
        return last(model.sample(n, labels[torch.arange(n) % len(labels)], steps=EVALUATIONS)).clamp(-1, 1)


def of_size(n: int, seed: int, steps: int = STEPS) -> Run:
    """Train on n digits; compare the samples with them and n others, the losses with those of all others."""
    digits, start = pool(seed), time.process_time()
    training, others, real = digits[:n], digits[n : 2 * n], digits[2 * n :]
    model, losses = trained(training, seed, steps)
    seconds = time.process_time() - start
    found = replication(drawn(model, training.labels, seed), training.x, others.x)
    usual = replication(real.x, training.x, others.x)
    verdicts = membership(denoising_losses(model, training), denoising_losses(model, digits[n:]))
    results = {"images": float(n), "passes": steps * BATCH / n, "chance": found.chance}
    results |= named("nearer", found.nearer) | named("copies", found.copies)
    results |= {"real nearer": usual.nearer.value, "real copies": usual.copies.value}
    curves = {"loss": thinned(losses), "times": list(TIMES), "ratio": quantiles(found.ratio)}
    for name in ("auroc", "auroc_low", "auroc_high", "tpr"):
        curves[name] = [round(getattr(found_out, name), 4) for found_out in verdicts]
    return Run(f"{n} images", seed, steps, round(seconds, 1), device_name(model.device), results, curves)


def named(name: str, share) -> dict[str, float]:
    return {name: share.value, f"{name} low": share.low, f"{name} high": share.high}


def quantiles(x: Tensor, points: int = 21) -> list[float]:
    """Evenly spaced quantiles from the least to the greatest."""
    return [round(q, 4) for q in x.double().quantile(torch.linspace(0, 1, points, dtype=torch.float64)).tolist()]


class Duplicated(NamedTuple):
    """A training set with duplicates, and what is needed to judge a model of it.

    Attributes
    ----------
    rows : Images
        The set, with duplicates.
    once : Images
        Each of its images once, canaries last.
    copies : Tensor, int64, (len(once),)
        How often each stands in the set.
    others : Images
        As many digits and canaries that are not in it.
    """

    rows: Images
    once: Images
    copies: Tensor
    others: Images


def duplicated(seed: int) -> Duplicated:
    """600 digits once, 36 others 2 to 64 times, and canaries 1 to 64 times."""
    digits, levels = pool(seed), torch.tensor(COPIES)
    n, canaries = ONCE + EACH * len(COPIES), CANARIES * (1 + len(COPIES))
    odd = patterns(2 * canaries, seed)
    once, others = joined(digits[:n], odd[:canaries]), joined(digits[n : 2 * n], odd[canaries:])
    copies = torch.cat([torch.ones(ONCE), levels.repeat_interleave(EACH), torch.tensor([1, *COPIES]).repeat(CANARIES)])
    rows = once[torch.arange(len(once)).repeat_interleave(copies.long())]
    noise = NOISE * torch.randn(rows.pixels.shape, generator=torch.Generator().manual_seed(seed))
    return Duplicated(Images(to_uint8(rows.x + noise), rows.labels, rows.classes), once, copies.long(), others)


def patterns(n: int, seed: int) -> Images:
    """Canaries: 4 x 4 squares, each white or black at random, 16 bits; they are labelled 0."""
    squares = torch.randint(2, (n, 1, 4, 4), generator=torch.Generator().manual_seed(1_000 + seed))
    pixels = (255 * squares).to(torch.uint8).repeat_interleave(2, -1).repeat_interleave(2, -2)
    return Images(pixels, torch.zeros(n, dtype=torch.int64), digits().classes)


def joined(a: Images, b: Images) -> Images:
    return Images(torch.cat([a.pixels, b.pixels]), torch.cat([a.labels, b.labels]), a.classes)


def with_duplicates(name: str, data: Duplicated, seed: int, steps: int = STEPS) -> Run:
    """Train on the rows; for each number of copies: extracted images, exposure of canaries, membership."""
    start = time.process_time()
    model, losses = trained(data.rows, seed, steps)
    seconds = time.process_time() - start
    found = replication(drawn(model, data.rows.labels, seed), data.once.x, data.others.x)
    extracted = torch.zeros(len(data.once), dtype=torch.bool)
    extracted[found.nearest[found.ratio < 0.5]] = True
    inside, outside = (denoising_losses(model, images) for images in (data.once, data.others))
    candidates = denoising_losses(model, patterns(CANDIDATES, seed + 100)).mean(0)
    canary = torch.arange(len(data.once)) >= len(data.once) - CANARIES * (1 + len(COPIES))
    strangers = outside[:, ~canary].mean(0, keepdim=True)
    curves: dict[str, list[float]] = {"loss": thinned(losses), "copies": [1.0, *map(float, COPIES)]}
    for level in (1, *COPIES):
        here = data.copies == level
        digits, odd = here & ~canary, here & canary
        (worth,) = membership(inside[:, digits].mean(0, keepdim=True), strangers)
        extend(curves, "extracted", extracted[digits].double().mean().item())
        extend(curves, "auroc", worth.auroc)
        extend(curves, "exposure", exposure(inside[:, odd].mean(0), candidates).mean().item())
    results = {"rows": float(len(data.rows)), "images": float(len(data.once)), "chance": found.chance}
    results |= named("nearer", found.nearer) | named("copies", found.copies)
    return Run(name, seed, steps, round(seconds, 1), device_name(model.device), results, curves)


def exposed(data: Duplicated, seed: int) -> Run:
    """The exposure of canaries, one mean a number of copies, early in a training on the rows."""
    torch.manual_seed(seed)
    model, start = Flow(channels=1, size=8, width=32, depth=1), time.process_time()
    canaries = slice(len(data.once) - CANARIES * (1 + len(COPIES)), None)
    odd, copies, like = data.once[canaries], data.copies[canaries], patterns(CANDIDATES, seed + 100)
    curves: dict[str, list[float]] = {"steps": list(map(float, LOOKS))}
    steps = iter(train_steps(model, data.rows.batches(BATCH, seed), LOOKS[-1], optimizer=partial(adamw, lr=2e-3)))
    for before, look in pairwise((0, *LOOKS)):
        for _ in range(look - before):
            next(steps)
        losses = [denoising_losses(model, images, draws=2).mean(0) for images in (odd, like)]
        bits = exposure(*losses)
        for level in (1, *COPIES):
            extend(curves, f"{level} copies", bits[copies == level].mean().item())
    seconds, results = round(time.process_time() - start, 1), {"candidates": float(CANDIDATES)}
    return Run("canaries", seed, LOOKS[-1], seconds, device_name(model.device), results, curves)


def extend(curves: dict[str, list[float]], name: str, value: float) -> None:
    curves.setdefault(name, []).append(round(value, 4))
