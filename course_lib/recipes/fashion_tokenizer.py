"""fashion_tokenizer: 7 x 7 tokens of one byte for each image of Fashion-MNIST.

Four epochs of 0.9 M parameters: eight minutes on one busy CPU core with bfloat16. Why a fixed grid of
codes and no learned ones: `course_lib.experiments.tokenizers`. The token set is written once, from the
checkpoint as it is stored.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.checkpoints import WEIGHTS
from course_lib.data.fashion import fashion
from course_lib.data.images import Images, to_float
from course_lib.features import fashion_score
from course_lib.metrics import psnr
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.vaes.quantise import use
from course_lib.vaes.tokenizer import FsqTokenizer, Tokenizer
from course_lib.vaes.tokens import FILE

STEPS = 8_000
BATCH = 32
SEED = 0


def build() -> FsqTokenizer:
    torch.manual_seed(SEED)
    return FsqTokenizer(levels=(4, 4, 4, 4), channels=1, size=28, width=64, depth=1, components=3)


def data() -> Images:
    """Fashion-MNIST, train"""
    return fashion("train", full=True)


def train(model: Tokenizer, images: Images, steps: int = STEPS, resume: Path | None = None) -> Tokenizer:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.998)
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


def evaluate(model: Tokenizer, n: int = 5_000) -> dict[str, float]:
    """How well `n` test images come back: distance, its floor, signal to noise; and how the codes are used."""
    x = fashion("test", full=True).x[:n]
    tokens = tokenise(model, x)
    with torch.no_grad():
        again = torch.cat([model.decode(part.to(model.device)).cpu() for part in tokens.split(500)])
    quality = {"psnr": psnr(again, x).mean().item()} | fashion_score(again)._asdict()
    return use(tokens, model.codes)._asdict() | quality


@torch.no_grad()
def tokenise(model: Tokenizer, x: Tensor) -> Tensor:
    """All tokens of a set of images, on the CPU."""
    return torch.cat([model.encode(part.to(model.device)).cpu() for part in x.split(500)])


def write_tokens(model: Tokenizer) -> None:
    """Write the tokens of all 70,000 images beside the weights. `model` is the checkpoint, read back."""
    parts: dict[str, np.ndarray] = {"codes": np.array(model.codes)}
    for split in ("train", "test"):
        images = fashion(split, full=True)
        parts[f"{split}_tokens"] = tokenise(model, to_float(images.pixels)).numpy().astype(np.uint8)
        parts[f"{split}_labels"] = images.labels.numpy().astype(np.uint8)
    np.savez_compressed(str(WEIGHTS / FILE), **parts)
