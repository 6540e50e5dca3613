"""dit_unet: patches that look at each other, or convolutions?

A diffusion transformer and the lean U-Net of the diffusion module, as networks of the same flow on Fashion-MNIST,
with equal multiplications an image and equal steps. Small models and short runs are the convolution's home ground:
it knows that neighbours belong together, the transformer has to find out.
"""

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.device import device_name, seeded
from course_lib.diffusion.flow import Flow
from course_lib.experiments import Run, thinned
from course_lib.features import fashion_score
from course_lib.model import last
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.transformers.dit import DitFlow

NETWORKS = {
    "U-Net": lambda: Flow(width=64, depth=1),
    "DiT": lambda: DitFlow(patch=2, width=76, depth=4, heads=4),
}
SEEDS = range(1)
STEPS = 2_000
BATCH = 64
DRAWN = 2_000


def run() -> Iterator[Run]:
    images = fashion("train", full=True)
    for name, build in NETWORKS.items():
        for seed in SEEDS:
            torch.manual_seed(seed)
            yield train(name, build(), images, seed)


def train(name: str, model: Flow, images: Images, seed: int, steps: int = STEPS) -> Run:
    """Train one of them and judge what it draws."""
    start, losses, ema = time.process_time(), [], Ema(model, decay=0.998)
    rate = warmup_cosine(steps, warmup=100)
    for step in train_steps(
        model, images.batches(BATCH, seed), steps, optimizer=partial(adamw, lr=2e-3), lr_factor=rate, seed=seed
    ):
        ema.update()
        losses.append(step.logs["model/loss"].item())
    seconds, size = round(time.process_time() - start, 1), sum(p.numel() for p in model.parameters())
    results = {"megaflops": flops(model) / 1e6, "parameters": size} | judged(ema.model, seed)
    return Run(name, seed, steps, seconds, device_name(model.device), results, {"loss": thinned(torch.tensor(losses))})


def flops(model: Flow) -> int:
    """Multiplications and additions of one evaluation of the network, for one image."""
    x, t, y = torch.zeros(1, 1, 28, 28), torch.zeros(1), torch.zeros(1, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.net(x, t, y)
    return counter.get_total_flops()


def judged(model: Flow, seed: int, n: int = DRAWN) -> dict[str, float]:
    """Distance, floor, precision and recall of `n` images, classes in turn."""
    labels = torch.arange(n) % 10
    with seeded(seed, model.device):
        images = torch.cat([last(model.sample(len(part), part)).cpu() for part in labels.split(250)])
    return fashion_score(images.clamp(-1, 1))._asdict()
