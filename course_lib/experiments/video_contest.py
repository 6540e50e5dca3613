"""video_contest: who keeps a sprite flying?

One predictor of the next frame with three ways of carrying the past along, a linear state, a gated one and
attention, trained with equal steps on equal clips of 12 frames; one more with the linear state that was trained
on true frames only, never on its own; and the prediction that nothing moves. All go on by themselves for 120
frames with sprites that they were not trained on.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.data.clips import Clips
from course_lib.device import device_name
from course_lib.experiments import Run
from course_lib.ssms.backbone import remembered_bytes
from course_lib.ssms.video import contest
from course_lib.ssms.video.contest import FRAMES, HORIZON, SEEN, STEPS
from course_lib.ssms.video.predictor import (
    AttentionPredictor,
    Clip,
    LstmPredictor,
    Predictor,
    SsmPredictor,
    copy_last,
)

SHAPE = {"channels": 1, "size": contest.SIZE, "frames": FRAMES, "rank": 16}
COMPETITORS = {
    "SSM": lambda: SsmPredictor(**SHAPE),
    "ConvLSTM": lambda: LstmPredictor(**SHAPE),
    "attention": lambda: AttentionPredictor(**SHAPE),
    "SSM, true frames only": lambda: SsmPredictor(**SHAPE, ahead=0),
}
SEED = 0
JUDGED = 64  # clips


def run() -> Iterator[Run]:
    truth = contest.sprites("fashion", JUDGED, SEEN + HORIZON, seed=2, split="test")
    yield judged("copy of the last frame", copy_last(truth.x[:, :SEEN], HORIZON), truth)
    clips = contest.sprites("fashion")
    for name, build in COMPETITORS.items():
        torch.manual_seed(SEED)
        start, model = time.process_time(), build()
        model = contest.trained(model, clips, STEPS, SEED)
        yield finished(name, model, truth, time.process_time() - start)


def finished(name: str, model: Predictor, truth: Clips, seconds: float) -> Run:
    """Judge a trained model; how much it keeps after the first frames and after the last."""
    seen = truth.x[:, :SEEN]
    results = {"parameters": float(sum(p.numel() for p in model.parameters()))} | kept(model, truth.x[:1])
    return judged(name, model.predict(seen, HORIZON), truth, STEPS, seconds, results)


def judged(
    name: str, predicted: Clip, truth: Clips, steps: int = 0, seconds: float = 0.0, results: dict | None = None
) -> Run:
    """All errors over the horizon, frame by frame."""
    found = contest.errors(predicted, truth, "fashion")
    curves = {key: rounded(error.mean(0)) for key, error in found.items()}
    results = (results or {}) | contest.summary(found)
    return Run(name, SEED, steps, round(seconds, 1), device_name(torch.device("cpu")), results, curves)


@torch.no_grad()
def kept(model: Predictor, clip: Clip) -> dict[str, float]:
    """Bytes of the state after 12 frames and after 120."""
    after = {n: remembered_bytes(model.features(clip[:, :n], None, start=True)[1]) for n in (FRAMES, HORIZON)}
    return {f"state bytes after {n}": float(size) for n, size in after.items()}


def rounded(curve: Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in curve.tolist()]
