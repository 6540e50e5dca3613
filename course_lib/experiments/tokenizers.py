"""tokenizers: a learned codebook or a fixed grid of codes?

The same networks, the same 256 codes, the same steps on Fashion-MNIST; only the quantiser differs. 5,000
test images are reconstructed from their tokens.
"""

import time
from collections.abc import Iterator
from functools import partial

import torch

from course_lib.data.images import Images
from course_lib.device import device_name
from course_lib.experiments import Run, thinned
from course_lib.recipes.fashion_tokenizer import BATCH, data, evaluate
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.vaes.tokenizer import FsqTokenizer, Tokenizer, VqTokenizer

KINDS = {"FSQ": lambda: FsqTokenizer((4, 4, 4, 4)), "VQ": lambda: VqTokenizer(256, 8)}
SEEDS = range(1)
STEPS = 1_750


def run() -> Iterator[Run]:
    images = data()
    for name, build in KINDS.items():
        for seed in SEEDS:
            torch.manual_seed(seed)
            yield train(name, build(), images, seed)


def train(name: str, model: Tokenizer, images: Images, seed: int, steps: int = STEPS) -> Run:
    """Train one tokenizer and measure how its images come back and how its codes are used."""
    start, bits, ema = time.process_time(), [], Ema(model, decay=0.998)
    rate = warmup_cosine(steps, warmup=100)
    for step in train_steps(
        model, images.batches(BATCH, seed), steps, optimizer=partial(adamw, lr=2e-3), lr_factor=rate, seed=seed
    ):
        ema.update()
        bits.append(step.logs["model/distortion"].item())
    seconds, curves = round(time.process_time() - start, 1), {"bits": thinned(torch.tensor(bits))}
    return Run(name, seed, steps, seconds, device_name(model.device), evaluate(ema.model), curves)
