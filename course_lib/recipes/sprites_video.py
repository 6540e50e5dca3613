"""sprites_video: a piece of clothing flies about in a frame of 32 pixels, from nothing and without end.

0.36 M parameters on 6,000 clips of 12 frames; twelve minutes on one busy CPU core with bfloat16.
The file that ships was trained before a told movement brought in the ground from beyond the border, and before the flow
chose its frames by how little is certain of them; it was measured after.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.clips import Clips
from course_lib.ssms.video import contest
from course_lib.ssms.video.contest import FRAMES, SIZE, trained
from course_lib.ssms.video.dreamer import Dreamer

STEPS = 1_800
SEED = 0


def build() -> Dreamer:
    torch.manual_seed(SEED)
    return Dreamer(channels=1, size=SIZE, frames=FRAMES, rank=16, noise=0.02)


def data(split: str = "train") -> Clips:
    """Clips of one bouncing piece of clothing, train"""
    return contest.sprites("fashion", 6_000, split=split)


def train(model: Dreamer, clips: Clips, steps: int = STEPS, resume: Path | None = None) -> Dreamer:
    """Train and return the averaged model."""
    return trained(model, clips, steps, SEED, resume)


def evaluate(model: Dreamer, n: int = 64) -> dict[str, float]:
    """Errors of the expected clip at several horizons; of drawn clips, whether they fly as sprites do."""
    return contest.judged(model, "fashion", n)


def draw(model: Dreamer, labels: Tensor, frames: int = FRAMES) -> Tensor:
    """A clip from nothing for each label, of which it takes no notice: (n, frames, 1, 32, 32) in [-1, 1]."""
    return contest.draw(model, len(labels), frames)
