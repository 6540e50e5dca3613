"""emoji_flow: emoji from an artist's name and a caption, on 2,870 pictures by two artists.

1.1 M parameters, a quarter of an hour on one CPU core with bfloat16. Most of its words occur in two or three
captions only, so it knows what it has seen, and little more: the metric says how near its pictures are to
training pictures, for captions that it was trained on and for captions that were held out.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.captions import Captioned
from course_lib.data.emoji import both_styles
from course_lib.device import seeded
from course_lib.metrics import psnr
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.transformers.text_to_image import TextToImage

STEPS = 5_000
BATCH = 64
SEED = 0
GUIDANCE = 2.0
EVALUATIONS = 16


def build() -> TextToImage:
    torch.manual_seed(SEED)
    images = both_styles()
    return TextToImage(images.vocabulary.words, images.length, channels=3, size=32, width=64, depth=1, reading=64)


def data() -> Captioned:
    """Emoji in two artists' styles, train"""
    return both_styles()


def train(model: TextToImage, images: Captioned, steps: int = STEPS, resume: Path | None = None) -> TextToImage:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.999)
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


def evaluate(model: TextToImage, n: int = 300) -> dict[str, float]:
    """Decibels to the nearest training picture: of pictures for seen captions, for new ones, and of real new ones."""
    seen, new = both_styles(), both_styles("test")
    asked = torch.randperm(len(seen), generator=torch.Generator().manual_seed(SEED))[:n]
    pictures = {
        "seen": drawn(model, seen[asked].captions),
        "new": drawn(model, new[:n].captions),
        "real": new[:n].x,
    }
    return {f"nearest {name}": nearest(x, seen.x)[0].mean().item() for name, x in pictures.items()}


def nearest(x: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Of each picture (n, ...): the signal to noise in dB of the most similar other one, and which it is."""
    distance = torch.cdist(x.flatten(1), others.flatten(1))
    which = distance.argmin(dim=1)
    return psnr(x, others[which]), which


def drawn(model: TextToImage, captions: tuple[str, ...]) -> Tensor:
    """One picture a caption, always with the same noise."""
    with seeded(SEED, model.device):
        return torch.cat([draw(model, part).cpu() for part in model.read(captions).split(100)])


def draw(model: TextToImage, tokens: Tensor) -> Tensor:
    """One picture a caption, (n, 3, 32, 32) in [-1, 1]."""
    return last(model.sample(len(tokens), tokens, steps=EVALUATIONS, guidance=GUIDANCE)).clamp(-1, 1)
