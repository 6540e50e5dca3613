"""nightfall_video: night comes over a place, and lamps are lit that the day does not show.

0.38 M parameters on 3,000 clips over Africa, Europe, Asia and Oceania; the Americas are held out. Where the lamps are
is left to chance, so the expected clip hardly shows any: the metric counts the lit pixels of true, expected and drawn
nights. Seven minutes on one busy CPU core with bfloat16.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.clips import Clips
from course_lib.data.video import nightfall
from course_lib.device import seeded
from course_lib.ssms.video import contest, measures
from course_lib.ssms.video.contest import SIZE, trained
from course_lib.ssms.video.dreamer import Dreamer

STEPS = 1_100
SEED = 0
DUSK, NIGHT = 10, 2  # frames in which it gets dark, and frames after it
SEEN = 2  # frames by day that are shown


def build() -> Dreamer:
    torch.manual_seed(SEED)
    return Dreamer(channels=3, size=SIZE, frames=DUSK + NIGHT, rank=24, noise=0.02)


def data(split: str = "train", n: int = 3_000) -> Clips:
    """Clips of nightfall over real places, train"""
    clips = nightfall(n, DUSK, SEED + (split == "test"), size=SIZE, split=split)
    return Clips(_stay(clips.frames), _stay(clips.states), clips.labels)


def train(model: Dreamer, clips: Clips, steps: int = STEPS, resume: Path | None = None) -> Dreamer:
    """Train and return the averaged model."""
    return trained(model, clips, steps, SEED, resume)


def evaluate(model: Dreamer, n: int = 64) -> dict[str, float]:
    """Squared error of the expected clip and of drawn ones; lit pixels of true, expected and drawn nights."""
    truth = data("test", n)
    x, steps = truth.x, DUSK + NIGHT - SEEN
    day = x[:, :SEEN].to(model.device)
    expected = model.predict(day, steps).cpu()
    with seeded(SEED, model.device):
        drawn = [model.possible(day, steps).cpu() for _ in range(2)]
    nights = {"true": x, "expected": expected, "drawn": drawn[0]}
    lit = {f"lit, {name}": measures.lamps(clip)[:, -1].mean().item() for name, clip in nights.items()}
    return lit | {
        "squared error, expected": measures.squared_error(expected, x[:, SEEN:]).mean().item(),
        "squared error, drawn": measures.squared_error(drawn[0], x[:, SEEN:]).mean().item(),
        "two draws differ by": measures.squared_error(*drawn)[:, -1].mean().item(),
    }


def draw(model: Dreamer, labels: Tensor, frames: int = DUSK + NIGHT) -> Tensor:
    """A clip from nothing for each label, of which it takes no notice: (n, frames, 3, 32, 32) in [-1, 1]."""
    return contest.draw(model, len(labels), frames)


def _stay(x: Tensor) -> Tensor:
    """It stays night."""
    return torch.cat([x, x[:, -1:].expand(-1, NIGHT, *x.shape[2:])], 1)
