"""A training step of the U-Net flow, 28 px, beside the U-Nets of others at their smallest sensible size.

A step is all of it: noise, forward, backward, clipping, AdamW. `course` is the network of the recipe fashion_flow;
`course, lean` has half of its features and one block a side instead of two.
"""

from collections.abc import Iterator

import torch

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting, with_work
from benchmarks.timing import Job, computing_in
from course_lib.data.images import Batch
from course_lib.diffusion.flow import Flow
from course_lib.model import Model
from course_lib.training import train_steps

SIZES = {OURS: {"width": 64, "depth": 2}, "course, lean": {"width": 32, "depth": 1}}
BATCH = 32


def run(setting: Setting) -> Iterator[dict]:
    """Rows of a contest in float32 and of one in bfloat16."""
    batch = fixed_batch(setting)
    for dtype in (torch.float32, torch.bfloat16):
        there, _ = peers.found(peers.UNETS)
        jobs = {who: steps(Flow(**sizes).to(setting.device), batch, dtype) for who, sizes in SIZES.items()}
        for who, network in there.items():
            jobs[who] = peers.training_step(network.to(setting.device).train(), batch, dtype)
        what = f"U-Net training step, 28 px, batch of {len(batch.x)}, {str(dtype).removeprefix('torch.')}"
        yield from with_work(Contest(what, jobs, len(batch.x), dtype)).held(setting)


def fixed_batch(setting: Setting, full: int = BATCH, size: int = 28) -> Batch:
    """Noise for images and classes in turn: what is in them costs nothing."""
    x = torch.rand(setting.pick(full, 2), 1, size, size, device=setting.device) * 2 - 1
    return Batch(x, torch.arange(len(x), device=setting.device) % 10)


def steps(model: Model, batch: Batch, dtype: torch.dtype) -> Job:
    """One update of ours a call, through the course's own loop."""
    with computing_in(dtype):
        training = iter(train_steps(model, iter(lambda: batch, None), 10**6))
        next(training)  # the precision is chosen, and the batch checked, at the first step
    return lambda: next(training)
