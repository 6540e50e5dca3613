"""anomaly: four ways to be surprised, on textures with defects and on clothes of the wrong kind.

Textures: a VAE and the course's `textures_flow` learned good pieces of three materials; each material is judged alone,
as is the custom, and all ways by the same measures. "either way" is denoising to which too little surprise is odd as
well. A threshold that promises one false alarm in twenty comes from good pieces that neither training nor test has;
"false alarms" and "found" are what it does on the test pieces, "spot found" and so on for one defect.

Clothes, at 16 x 16 pixels: for each of the ten classes a VAE and a flow learn its 500 bundled training images, and the
1,000 test images of all classes are ranked; that class is good, the nine others are odd.
"""

import time
from collections.abc import Iterator
from functools import partial

import torch

from course_lib.applications.anomaly import (
    Scorer,
    by_denoising,
    by_likelihood,
    by_reconstruction,
    by_redrawing,
    expectation,
    heat_maps,
    image_scores,
    measures,
)
from course_lib.applications.detecting import calibrated, either_way
from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.data.textures import DEFECTS, MATERIALS, Masked, textures
from course_lib.device import device_name
from course_lib.diffusion.flow import Flow
from course_lib.experiments import Run
from course_lib.experiments.augmentation import small
from course_lib.metrics import auroc, fpr_at
from course_lib.model import Model
from course_lib.recipes.textures_flow import TEST_SEED, TIMES, data
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.vaes.vae import Vae

PIECES = 240  # of textures: of the test pieces a third is good
CLEAN_SEED = 3
VAE_STEPS = 600
CLASS_STEPS = 200  # of each model of one class of clothes
SEED = 0


def run() -> Iterator[Run]:
    yield from on_textures()
    yield from on_clothes()


def on_textures() -> Iterator[Run]:
    torch.manual_seed(SEED)
    vae = trained(Vae(channels=1, size=64, width=16, depth=1, latent=16, components=1), data(), VAE_STEPS, 32)
    test, clean = textures(PIECES, TEST_SEED, "test"), textures(PIECES, CLEAN_SEED)
    for way, scorer in ways(vae, pretrained("textures_flow")).items():
        for k, material in enumerate(MATERIALS):
            start = time.process_time()
            found = judged(scorer, test[test.materials == k], clean[clean.materials == k])
            yield logged(f"{way}, {material}", time.process_time() - start, found)
    yield from either_way_on(test, clean)


def either_way_on(test: Masked, clean: Masked) -> Iterator[Run]:
    """Half of the clean pieces say what is usual, the others set the threshold."""
    denoising = by_denoising(expectation(pretrained("textures_flow")), TIMES)
    for k, material in enumerate(MATERIALS):
        start, good = time.process_time(), clean[clean.materials == k]
        scorer = either_way(denoising, good.x[::2])
        found = judged(scorer, test[test.materials == k], good[1::2], smooth=1)
        yield logged(f"either way, {material}", time.process_time() - start, found)


def on_clothes() -> Iterator[Run]:
    train, test = small(fashion()), small(fashion("test"))
    for k, kind in enumerate(train.classes):
        torch.manual_seed(SEED)
        good = train[train.labels == k]
        good = Images(good.pixels, torch.zeros_like(good.labels))
        vae = trained(Vae(channels=1, size=16, width=16, depth=1, latent=8, components=1), good, CLASS_STEPS, 32)
        flow = trained(Flow(channels=1, size=16, width=32, depth=1, classes=1, drop=0.0), good, CLASS_STEPS, 32)
        for way, scorer in ways(vae, flow).items():
            start = time.process_time()
            scores, odd = image_scores(heat_maps(scorer, test.x), share=1.0), test.labels != k
            found = {"AUROC": auroc(scores, odd), "FPR@95": fpr_at(scores, odd)}
            yield logged(f"{way}, {kind}", time.process_time() - start, found)


def ways(vae: Vae, flow: Flow) -> dict[str, Scorer]:
    """All four, each ready to score."""
    return {
        "reconstruction": by_reconstruction(vae),
        "likelihood": by_likelihood(vae),
        "denoising": by_denoising(expectation(flow), TIMES),
        "redrawing": by_redrawing(expectation(flow), TIMES),
    }


def judged(scorer: Scorer, test: Masked, clean: Masked, smooth: int = 5) -> dict[str, float]:
    """All measures of one scorer on one material, of which defects it finds, and what a threshold does."""
    alarms, odd = calibrated(scorer, clean.x, false_alarms=0.05, smooth=smooth).alarms(test.x), test.defects > 0
    decided = {"false alarms": alarms[~odd].double().mean().item(), "found": alarms[odd].double().mean().item()}
    each = {f"{DEFECTS[k]} found": alarms[test.defects == k].double().mean().item() for k in range(1, len(DEFECTS))}
    return measures(scorer, test.x, test.masks, smooth=smooth) | decided | each


def trained(model: Model, images: Images, steps: int, batch: int) -> Model:
    """The averaged model after so many steps."""
    ema, optimizer = Ema(model, decay=0.99), partial(adamw, lr=2e-3)
    for _ in train_steps(
        model, images.batches(batch, SEED), steps, optimizer=optimizer, lr_factor=warmup_cosine(steps), seed=SEED
    ):
        ema.update()
    return ema.model


def logged(name: str, seconds: float, found: dict[str, float]) -> Run:
    """A scorer on one material or class; the seconds are those of scoring."""
    return Run(name, SEED, 0, round(seconds, 1), device_name(torch.device("cpu")), found, {})
