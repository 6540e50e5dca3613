"""emoji_video: an emoji flies about in a frame of 32 pixels, from nothing and without end.

0.38 M parameters on 5,000 clips of 12 frames; eight minutes on one CPU core with bfloat16.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.clips import Clips
from course_lib.ssms.video import contest
from course_lib.ssms.video.contest import FRAMES, SIZE, trained
from course_lib.ssms.video.dreamer import Dreamer

STEPS = 2_000
SEED = 0


def build() -> Dreamer:
    torch.manual_seed(SEED)
    return Dreamer(channels=3, size=SIZE, frames=FRAMES, rank=24, noise=0.02)


def data(split: str = "train") -> Clips:
    """Clips of one bouncing emoji, train"""
    return contest.sprites("emoji", 5_000, split=split)


def train(model: Dreamer, clips: Clips, steps: int = STEPS, resume: Path | None = None) -> Dreamer:
    """Train and return the averaged model."""
    return trained(model, clips, steps, SEED, resume)


def evaluate(model: Dreamer, n: int = 64) -> dict[str, float]:
    """Errors of the expected clip at several horizons; of drawn clips, whether they fly as sprites do."""
    return contest.judged(model, "emoji", n)


def draw(model: Dreamer, labels: Tensor, frames: int = FRAMES) -> Tensor:
    """A clip from nothing for each label, of which it takes no notice: (n, frames, 3, 32, 32) in [-1, 1]."""
    return contest.draw(model, len(labels), frames)
