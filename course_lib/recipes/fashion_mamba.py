"""fashion_mamba: 7 x 7 tokens one after the other by Mamba-2, on all 60,000 images of Fashion-MNIST.

The contest of `fashion_raster`, four blocks of Mamba-2 against four of the transformer, with two thirds of its
parameters: twelve minutes on one busy CPU core, twice what the transformer takes. A scan pays on long sequences, and 49
tokens are not one.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.recipes.fashion_raster import data
from course_lib.ssms.tokens import Mamba2Tokens
from course_lib.transformers import contest
from course_lib.transformers.contest import STEPS, judged, trained
from course_lib.transformers.prior import TokenSet

__all__ = ["STEPS", "build", "data", "draw", "evaluate", "train"]

SEED = 0


def build() -> Mamba2Tokens:
    torch.manual_seed(SEED)
    return Mamba2Tokens(codes=256, side=7, width=64, depth=4, state=16, classes=10)


def train(model: Mamba2Tokens, tokens: TokenSet, steps: int = STEPS, resume: Path | None = None) -> Mamba2Tokens:
    """Train and return the averaged model."""
    return trained(model, tokens, steps, SEED, resume)


def evaluate(model: Mamba2Tokens, n: int = 5_000) -> dict[str, float]:
    """Nats a token on test images; distance, floor, precision, recall and seconds of `n` drawn images."""
    return judged(model, data("test"), n, SEED)


def draw(model: Mamba2Tokens, labels: Tensor) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]."""
    return contest.draw(model, labels)
