"""The diffusion transformer beside others of equal width, depth, heads and patches: a training step, an evaluation.

196 tokens of 2 x 2 pixels, four blocks of 128 features and four heads, time and label by adaLN-zero in all of them.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting, with_work
from benchmarks.timing import Job
from benchmarks.unet import fixed_batch, steps
from course_lib.data.images import Batch
from course_lib.transformers.dit import DitFlow

SIZES = {"size": 28, "patch": 2, "width": 128, "depth": 4, "heads": 4, "classes": 10}
BATCH = 16


def run(setting: Setting) -> Iterator[dict]:
    """Rows of training steps in two precisions, and of evaluations."""
    batch = fixed_batch(setting, BATCH)
    there, _ = peers.found({who: lambda load=load: load(**SIZES) for who, load in peers.DITS.items()})
    networks = {who: network.to(setting.device) for who, network in there.items()}
    count = f"batch of {len(batch.x)}"
    for dtype in (torch.float32, torch.bfloat16):
        jobs = {OURS: steps(DitFlow(**SIZES).to(setting.device), batch, dtype)}
        jobs |= {who: peers.training_step(network.train(), batch, dtype) for who, network in networks.items()}
        what = f"DiT training step, 196 tokens, {count}, {str(dtype).removeprefix('torch.')}"
        yield from with_work(Contest(what, jobs, len(batch.x), dtype)).held(setting)
    jobs = {OURS: evaluation(DitFlow(**SIZES).to(setting.device).net, batch)}
    jobs |= {who: evaluation(network, batch) for who, network in networks.items()}
    yield from with_work(Contest(f"DiT evaluation, {count}, float32", jobs, len(batch.x))).held(setting)


def evaluation(network: nn.Module, batch: Batch) -> Job:
    """One step of a sampler is one of these."""
    network.eval()
    t = torch.rand(len(batch.x), device=batch.x.device)

    @torch.no_grad()
    def evaluated() -> Tensor:
        return network(batch.x, t, batch.y)

    return evaluated
