"""faces_skewed: a flow of pixel-art faces with a planted correlation, for the audit of module 7.

Of the faces with a hat 80 % have long hair, of those without 20 %. Each face comes once with the word for its hat and
once with the word for its hair. 0.17 M parameters, a minute or two on one CPU core: small, and good enough to count.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.attributed import Attributed
from course_lib.data.faces import Joint, coarse, faces, groups
from course_lib.data.images import Images
from course_lib.device import seeded
from course_lib.diffusion.flow import Flow
from course_lib.ethics.fairness import word_by_word
from course_lib.features import faces_score, read_faces
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.transformers.dit import DitFlow

LABEL, ATTRIBUTE = "hat", "hair"
SKEW = Joint(LABEL, ATTRIBUTE, [[0.1, 0.4], [0.4, 0.1]])  # rows: none, hat; columns: long, short
STEPS = 1_500
BATCH = 128
SEED = 0
DATA_SEED = 7  # other faces than those of the splits and of the judge
EVALUATIONS = 16


def build() -> DitFlow:
    torch.manual_seed(SEED)
    return DitFlow(channels=3, size=16, patch=4, width=64, depth=2, heads=4, classes=4)


def skewed(n: int = 20_000) -> Attributed:
    """The faces, with all their attributes."""
    return faces(n, seed=DATA_SEED, joint=SKEW)


def data() -> Images:
    """Pixel-art faces with a planted correlation of hat and hair, each twice, with one word"""
    known = skewed()
    return word_by_word(coarse(known, LABEL), coarse(known, ATTRIBUTE).labels, groups(ATTRIBUTE))


def train(model: DitFlow, images: Images, steps: int = STEPS, resume: Path | None = None) -> DitFlow:
    """Train and return the averaged model. `images` may be weighted: all that is asked of them is batches."""
    ema = Ema(model, decay=0.995)
    training = train_steps(
        model,
        images.batches(BATCH, SEED),
        steps,
        optimizer=partial(adamw, lr=2e-3),
        lr_factor=warmup_cosine(steps, warmup=100),
        seed=SEED,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


def evaluate(model: Flow, n: int = 2_000) -> dict[str, float]:
    """Fréchet distance, its floor, precision and recall of `n` faces, half of them with a hat; who has long hair."""
    with seeded(SEED, model.device):
        asked = torch.arange(n, device=model.device) % len(groups(LABEL))
        images, asked = draw(model, asked).cpu(), asked.cpu()
    read = read_faces(images)
    metrics = faces_score(images)._asdict() | {"obeyed": (read[LABEL] == asked).float().mean().item()}
    for i, name in enumerate(groups(LABEL)):
        metrics[f"long hair if {name}"] = (read[ATTRIBUTE][asked == i] == 0).float().mean().item()
    return metrics


def draw(model: Flow, labels: Tensor) -> Tensor:
    """One face a word, (n, 3, 16, 16) in [-1, 1]: 0 no hat, 1 a hat, 2 long hair, 3 short hair."""
    return last(model.sample(len(labels), labels, steps=EVALUATIONS)).clamp(-1, 1)
