"""fashion_raster: 7 x 7 tokens one after the other, on all 60,000 images of Fashion-MNIST."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.transformers import contest
from course_lib.transformers.contest import STEPS, judged, trained
from course_lib.transformers.prior import TokenSet
from course_lib.transformers.raster import Raster
from course_lib.vaes.tokens import fashion_tokens

SEED = 0


def build() -> Raster:
    torch.manual_seed(SEED)
    return Raster(codes=256, side=7, width=64, depth=4, heads=4, classes=10)


def data(split: str = "train") -> TokenSet:
    """The tokens of Fashion-MNIST, train"""
    tokens = fashion_tokens(split)
    return TokenSet(tokens.tokens, tokens.labels)


def train(model: Raster, tokens: TokenSet, steps: int = STEPS, resume: Path | None = None) -> Raster:
    """Train and return the averaged model."""
    return trained(model, tokens, steps, SEED, resume)


def evaluate(model: Raster, n: int = 5_000) -> dict[str, float]:
    """Nats a token on test images; distance, floor, precision, recall and seconds of `n` drawn images."""
    return judged(model, data("test"), n, SEED)


def draw(model: Raster, labels: Tensor) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]."""
    return contest.draw(model, labels)
