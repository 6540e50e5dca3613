"""detectors: who recognises whose pictures, and after what?

Two detectors, a small convolutional network and a line through radial spectra, each trained on the clothes of one of
six generators and tested on those of all; then on pictures that were compressed, blurred, shrunk or covered with
noise, real and generated alike. The network once more with the same attacks in training. Last, the trap: a network
whose real pictures, and only those, had been JPEG files, tested as it was trained and tested fairly.

380 pictures a generator are few, for the sake of the flow's thirty-two evaluations each: `ConvDetector` says what more
do. Hardening cost more than it gained in 120 steps, and the trap did not close: JPEG of quality 90 leaves too little
in pictures of 28 pixels for a network that learns so briefly. `detection.off_levels` shows one that always closes.

Real pictures come from the training images (to train) and the test images (to test). No generator has seen the
latter. Guidance, steps and temperature are each checkpoint's own.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import to_uint8
from course_lib.device import device_name, seeded
from course_lib.ethics import attacks
from course_lib.ethics.detection import pool, random_attack, train_detector
from course_lib.ethics.spectra import fit_spectral
from course_lib.ethics.verdicts import verdict
from course_lib.experiments import Run
from course_lib.model import last
from course_lib.recipes import fashion_flow, fashion_maskgit, fashion_raster, fashion_scales

LEARNED, TESTED, REAL = 380, 120, 1_000  # pictures of each generator; real ones to test on
STEPS = 120
SEEDS = range(1)
DRAWN_FROM = 5  # the seed of all pictures
GENERATORS = {
    "GAN": ("fashion_gan", lambda model, y: last(model.sample(len(y), y))),
    "VAE": ("fashion_vae", lambda model, y: last(model.sample(len(y)))),
    "flow": ("fashion_flow", fashion_flow.draw),
    "raster": ("fashion_raster", fashion_raster.draw),
    "MaskGIT": ("fashion_maskgit", fashion_maskgit.draw),
    "scales": ("fashion_scales", fashion_scales.draw),
}
ATTACKS = {
    "nothing": lambda pixels: pixels,
    "JPEG 30": partial(attacks.jpeg, quality=30),
    "blur 0.7": partial(attacks.blurred, sigma=0.7),
    "half size": partial(attacks.resized, share=0.5),
    "noise 0.1": partial(attacks.noisy, std=0.1),
}

Scores = Callable[[Tensor], Tensor]
Fit = Callable[[], Scores]


def run() -> Iterator[Run]:
    fakes = {name: drawn(name, LEARNED + TESTED) for name in GENERATORS}
    real, tests = fashion("train").pixels[:LEARNED], fashion("test", full=True).pixels[:REAL]
    for seed in SEEDS:
        for name, made in fakes.items():
            for way, fit in fits(real, made[:LEARNED], seed).items():
                yield tested(f"{way}, {name}", seed, fit, fakes, tests)
        yield trapped(seed, real, fakes["GAN"], tests)


def fits(real: Tensor, fake: Tensor, seed: int) -> dict[str, Fit]:
    """Three ways to learn the difference."""
    return {
        "network": lambda: train_detector(pool(real, fake), STEPS, seed).scores,
        "hardened": lambda: train_detector(pool(real, fake), STEPS, seed, random_attack).scores,
        "spectrum": lambda: fit_spectral(real, fake).scores,
    }


def drawn(name: str, n: int) -> Tensor:
    """Stored pictures of a shipped checkpoint, classes in turn."""
    checkpoint, draw = GENERATORS[name]
    model, labels = pretrained(checkpoint), torch.arange(n) % 10
    with seeded(DRAWN_FROM, model.device):
        return torch.cat([to_uint8(draw(model, part)) for part in labels.split(250)])


def tested(name: str, seed: int, fit: Fit, fakes: dict[str, Tensor], real: Tensor) -> Run:
    """Fit one detector; its verdicts on all generators and after all attacks."""
    start, scores, results = time.process_time(), fit(), {}
    for attack, change in ATTACKS.items():
        usual = scores(change(real))
        for generator, made in fakes.items():
            results |= stated(f"{generator}, {attack}", usual, scores(change(made[LEARNED:])))
    return finished(name, seed, results, start)


def trapped(seed: int, real: Tensor, made: Tensor, tests: Tensor) -> Run:
    """Real pictures that were JPEG files and fakes that were not: a detector of JPEG."""
    start, stored = time.process_time(), partial(attacks.jpeg, quality=90)
    scores = train_detector(pool(stored(real), made[:LEARNED]), STEPS, seed).scores
    fakes, usual = scores(made[LEARNED:]), scores(tests)
    results = stated("as trained", scores(stored(tests)), fakes) | stated("fair", usual, fakes)
    results |= stated("all JPEG", scores(stored(tests)), scores(stored(made[LEARNED:])))
    return finished("JPEG trap, GAN", seed, results, start)


def stated(name: str, negative: Tensor, positive: Tensor) -> dict[str, float]:
    """A verdict, named and rounded: "GAN, JPEG 75: auroc", "... auroc_low" and so on."""
    found = verdict(negative, positive, resamples=100)
    return {f"{name}: {what}": round(value, 4) for what, value in found._asdict().items()}


def finished(name: str, seed: int, results: dict[str, float], start: float) -> Run:
    seconds = round(time.process_time() - start, 1)
    return Run(name, seed, STEPS, seconds, device_name(torch.device("cpu")), results, {})
