"""selective_copying: does it help to choose what is remembered, and does it last?

Four letters among blanks, to be repeated in order (Gu & Dao 2023, section 4.1). Trained on fresh sequences of 64 places
for four times as many steps as module 5 has time for, then asked on sequences two, four and eight times as long.
"""

import time
from collections.abc import Iterator
from functools import partial

import torch

from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.model import Model
from course_lib.ssms import recall
from course_lib.training import adamw, train_steps, warmup_cosine

NETWORKS = {"S4D": recall.S4Answering, "Mamba-2": recall.Mamba2Answering}
SEED, STEPS, BATCH, PLACES = 0, 2_000, 64, 64
TIMES, ASKED = (1, 2, 4, 8), 500


def run() -> Iterator[Run]:
    for name, build in NETWORKS.items():
        torch.manual_seed(SEED)
        yield train(name, build())


def train(name: str, model: Model, steps: int = STEPS) -> Run:
    """Train one of them and ask it at each length."""
    start, right, task = time.process_time(), [], recall.selective_copying
    rate = warmup_cosine(steps, warmup=min(50, steps // 2))
    batches = recall.batches(task, BATCH, PLACES, seed=SEED)
    for step in train_steps(model, batches, steps, optimizer=partial(adamw, lr=5e-3), lr_factor=rate, seed=SEED):
        right.append(step.logs["model/right"].item())
    seconds, model = round(time.process_time() - start, 1), model.eval()
    results = {
        f"right at {PLACES * times}": recall.right(model, task(ASKED, PLACES * times, seed=1_000_000 + times))
        for times in TIMES
    }
    return Run(name, SEED, steps, seconds, device_name(model.device), results, {"right": thinned(torch.tensor(right))})
