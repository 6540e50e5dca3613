"""fashion_scales: from 1 x 1 token to 7 x 7, on all 60,000 images of Fashion-MNIST."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.checkpoints import pretrained
from course_lib.transformers import contest
from course_lib.transformers.contest import STEPS, judged, trained
from course_lib.transformers.prior import TokenSet
from course_lib.transformers.scales import Scales, finest, pyramids
from course_lib.vaes.tokens import fashion_tokens

SEED = 0


def build() -> Scales:
    torch.manual_seed(SEED)
    return Scales(codes=256, side=7, width=64, depth=4, heads=4, classes=10)


def data(split: str = "train") -> TokenSet:
    """The tokens of Fashion-MNIST at four scales, train"""
    return pyramids(pretrained("fashion_tokenizer"), fashion_tokens(split))


def train(model: Scales, tokens: TokenSet, steps: int = STEPS, resume: Path | None = None) -> Scales:
    """Train and return the averaged model."""
    return trained(model, tokens, steps, SEED, resume)


def evaluate(model: Scales, n: int = 5_000) -> dict[str, float]:
    """Nats a token on test images, of all scales and of the finest; distance and so on of `n` drawn images."""
    return judged(model, data("test"), n, SEED, finest)


def draw(model: Scales, labels: Tensor) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]."""
    return contest.draw(model, labels, finest)
