"""Three decoders of the same tokens, trained and judged in the same way.

What differs between them stands in their files; here is what must not differ: batches, steps, learning rate,
averaging, and how nats, distance and seconds are taken.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.checkpoints import pretrained
from course_lib.data.images import Batch
from course_lib.device import seeded
from course_lib.features import fashion_score
from course_lib.model import Model, last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.transformers.prior import TokenSet

STEPS = 4_000
BATCH = 64
PART = 250  # images drawn at a time


def trained(model: Model, tokens: TokenSet, steps: int, seed: int, resume: Path | None = None) -> Model:
    """Train a `TokenPrior`, or another family's model of the same maps, and return the averaged model."""
    ema = Ema(model, decay=0.9995)
    training = train_steps(
        model,
        tokens.batches(BATCH, seed),
        steps,
        optimizer=partial(adamw, lr=2e-3),
        lr_factor=warmup_cosine(steps, warmup=200),
        seed=seed,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


@torch.no_grad()
def nats(model: Model, tokens: TokenSet, seed: int) -> dict[str, float]:
    """The terms of the loss, averaged over a set."""
    with seeded(seed, model.device):
        terms = [model.loss(Batch(x, y).to(model.device)) for x, y in _parts(tokens)]
    return {name: sum(float(term[name]) for term in terms) / len(terms) for name in terms[0]}


def _parts(tokens: TokenSet) -> zip:
    return zip(tokens.tokens.split(PART), tokens.labels.split(PART))


def judged(
    model: Model, tokens: TokenSet, n: int, seed: int, of: Callable[[Tensor], Tensor] = lambda drawn: drawn
) -> dict[str, float]:
    """Nats a token on a set; steps and seconds an image, distance, floor, precision and recall of `n` drawn images.

    Parameters
    ----------
    model : TokenPrior, or another with its classes, loss and sample
    tokens : TokenSet
        That it was not trained on.
    n : int
    seed : int
    of : callable
        What it draws -> maps (n, 7, 7).
    """
    model.eval()
    found = nats(model, tokens, seed)
    labels = torch.arange(n, device=model.device) % model.classes
    start = time.process_time()
    with seeded(seed, model.device):
        images = torch.cat([draw(model, part, of).cpu() for part in labels.split(PART)])
    seconds, steps = (time.process_time() - start) / n, len(list(model.sample(1)))
    return {"nats": found.pop("loss"), **found, "steps": steps, "seconds": seconds} | fashion_score(images)._asdict()


@torch.no_grad()
def draw(model: Model, labels: Tensor, of: Callable[[Tensor], Tensor] = lambda drawn: drawn) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]: what the tokenizer makes of the drawn tokens."""
    tokenizer = pretrained("fashion_tokenizer").to(model.device)
    return tokenizer.decode(of(last(model.sample(len(labels), labels)))).clamp(-1, 1)
