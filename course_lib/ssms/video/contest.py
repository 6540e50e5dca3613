"""Who keeps a sprite flying? The training and the judging that all competitors share.

Equal clips, equal steps, equal everything but the mixer. They see a few frames of clips with sprites that nobody
was trained on, and go on by themselves for ten times the length of a training clip.
"""

from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.clips import Clips
from course_lib.data.video import bouncing
from course_lib.device import seeded
from course_lib.model import last
from course_lib.ssms.video import measures
from course_lib.ssms.video.dreamer import Dreamer
from course_lib.ssms.video.predictor import Clip, Predictor
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine

SIZE = 32
FRAMES = 12  # of a training clip
STEPS = 1_200
BATCH = 8
SEEN = 9  # frames that a model is shown before it goes on by itself
HORIZON = 10 * FRAMES
SIDES = {"fashion": 14, "emoji": 16}
GROUNDS = {"fashion": -1.0, "emoji": 1.0}

Trained = TypeVar("Trained", Predictor, Dreamer)


def sprites(sprite: str, n: int = 4_000, frames: int = FRAMES, *, seed: int = 1, split: str = "train") -> Clips:
    """One sprite a clip, in a frame of 32 pixels."""
    return bouncing(n, frames, seed, sprite=sprite, count=1, size=SIZE, split=split)


def trained(model: Trained, clips: Clips, steps: int = STEPS, seed: int = 0, resume: Path | None = None) -> Trained:
    """Fit the codec, train, and return the averaged model."""
    model.codec.fit(clips[:500].x.flatten(0, 1))
    ema = Ema(model, decay=0.99)
    rate = warmup_cosine(steps, warmup=50)
    batches = clips.batches(BATCH, seed)
    fit(
        train_steps(model, batches, steps, optimizer=partial(adamw, lr=3e-3), lr_factor=rate, seed=seed),
        ema=ema,
        resume=resume,
    )
    return ema.model


def errors(predicted: Clip, truth: Clips, sprite: str, seen: int = SEEN) -> dict[str, Tensor]:
    """Every error of predictions that follow on the first `seen` frames, (B, steps) each; velocity one less."""
    x, states = truth.x, truth.states[:, :, 0]
    sprites = measures.sprites_of(x[:, 0], states[:, 0, :2], SIDES[sprite])
    stop = seen + predicted.shape[1]
    x, states = x[:, seen:stop], states[:, seen:stop]
    reading = measures.read(predicted, sprites, GROUNDS[sprite])
    return {
        "squared error": measures.squared_error(predicted, x),
        "SSIM": measures.similarity(predicted, x),
        "position": measures.position_error(reading, states),
        "velocity": measures.velocity_error(reading, states),
        "count": measures.count_error(reading),
    }


def summary(found: dict[str, Tensor], horizons: tuple[int, ...] = (1, 3, 12, 40, 120)) -> dict[str, float]:
    """Means over clips at some horizons, and for how many frames the sprite stays within 2 pixels (median)."""
    rows = {
        f"{name} at {h}": error[:, min(h, error.shape[1]) - 1].mean().item()
        for name, error in found.items()
        for h in horizons
        if h <= error.shape[1] + 1
    }
    return rows | {"frames held": measures.held(found["position"], 2.0).float().median().item()}


def judged(model: Dreamer, sprite: str, n: int, seed: int = 2) -> dict[str, float]:
    """Errors of the expected clip; of what is drawn by chance, whether it flies as a sprite does.

    Of clips of `FRAMES` frames that are drawn from one true frame: "fair start" is the share whose sprite sets off by
    1 to 3 pixels a frame along each axis, "straight" the share of its further steps of the same speed, "starts" how
    many of the 36 velocities were drawn, "whole" the share that ends with one sprite, and "explained" how much of its
    energy is then where it should be (`measures.read`).
    """
    truth = sprites(sprite, n, SEEN + HORIZON, seed=seed, split="test")
    seen = truth.x[:, :SEEN].to(model.device)
    found = summary(errors(model.predict(seen, HORIZON).cpu(), truth, sprite))
    with seeded(seed, model.device):
        drawn = errors(model.possible(seen, FRAMES).cpu(), truth, sprite)
        clips = model.possible(seen[:, :1], FRAMES).cpu()
    cut = measures.sprites_of(truth.x[:, 0], truth.states[:, 0, 0, :2], SIDES[sprite])
    reading = measures.read(torch.cat([truth.x[:, :1], clips], 1), cut, GROUNDS[sprite])
    end = {"whole": (reading.count[:, -1] == 1).float(), "explained": reading.explained[:, -1]}
    found |= {f"drawn: position at {FRAMES}": drawn["position"][:, -1].mean().item()}
    return found | flights(reading.position.diff(dim=1)) | {name: share.mean().item() for name, share in end.items()}


def flights(steps: Int[Tensor, "b t 2"]) -> dict[str, float]:
    """Do these movements look like those of sprites? See `judged`."""
    speed = steps.abs()
    fair = ((speed[:, 0] >= 1) & (speed[:, 0] <= 3)).all(-1)
    straight = (speed[:, 1:] == speed[:, :1]).all(-1)
    starts = len(set(map(tuple, steps[:, 0][fair].tolist())))
    return {"fair start": fair.float().mean().item(), "straight": straight.float().mean().item(), "starts": starts}


def draw(model: Dreamer, n: int, frames: int) -> Tensor:
    """Clips from nothing, (n, frames, C, H, W) in [-1, 1]."""
    return last(model.sample(n, frames))
