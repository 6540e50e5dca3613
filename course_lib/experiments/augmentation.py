"""augmentation: 10, 50 or 200 labels a class of Fashion-MNIST, and four ways to make more of them.

The same classifier, the same number of updates, five draws of the labels, at 16 x 16 pixels, so that 75 trainings fit
into a few minutes. "none" sees the labelled images as they are, "classical" shifts and mirrors them, "synthetic" is
half images of a flow that was trained on these labels alone; `admitted` has compared what it saw with them. "leaked"
is what the guard refuses: half images of the course's `fashion_flow`, which saw all 60,000 labels.

"accuracy" is that on the 10,000 test images. Of the synthetic images, "drawn right" is the share that a classifier of
all 5,000 bundled labels puts in the class that was asked for, "newness" their median distance to the nearest
labelled image beside that of real test images (1 is as new as these, 0 a copy), and "unlawful" how many labelled
images their generator saw that the classifier has no labels for.
"""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from course_lib.applications.augmentation import (
    Generator,
    accuracy,
    admitted,
    bank,
    few,
    fingerprints,
    jittered,
    mixed,
    plain,
    train_classifier,
    train_generator,
)
from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import Batch, Images, to_uint8
from course_lib.device import device_name
from course_lib.experiments import Run
from course_lib.features import FeatureNet
from course_lib.model import last

LABELS = (10, 50, 200)
SEEDS = range(5)
STEPS = 500  # of a classifier
GENERATOR_STEPS = 400
DRAWN = 600  # synthetic images


class Judges(NamedTuple):
    """What all ways are judged by: test images, and a classifier that knows more labels than any of them."""

    test: Images
    knowing: FeatureNet


def run() -> Iterator[Run]:
    source, test = small(fashion()), small(fashion("test", full=True))
    judges = Judges(test, train_classifier(plain(source, 0), len(source.classes), 1, 3 * STEPS, seed=0))
    leaked = shipped()
    others = bank(leaked, DRAWN, source.classes, seed=0)
    for seed in SEEDS:
        for labels in LABELS:
            yield from compared(few(source, labels, seed), judges, leaked, others, seed)


def small(images: Images) -> Images:
    """28 x 28 pixels, framed to 32 x 32, as means over 2 x 2 of them."""
    return Images(to_uint8(shrunk(images.x)), images.labels, images.classes)


def shrunk(x: Tensor) -> Tensor:
    return avg_pool2d(pad(x, (2, 2, 2, 2), value=-1.0), 2)


def shipped() -> Generator:
    """The course's own flow, with what it saw."""
    model = pretrained("fashion_flow")
    return Generator(
        lambda y: shrunk(last(model.sample(len(y), y, steps=12))),
        fingerprints(small(fashion("train", full=True))),
    )


def compared(labelled: Images, judges: Judges, leaked: Generator, others: Images, seed: int) -> Iterator[Run]:
    """All four ways on one draw of the labels."""
    start = time.process_time()
    own = admitted(train_generator(labelled, GENERATOR_STEPS, seed), labelled)
    drawn = bank(own, DRAWN, labelled.classes, seed)
    spent = {"generator seconds": time.process_time() - start}
    yield judged("none", labelled, plain(labelled, seed), judges, seed)
    yield judged("classical", labelled, jittered(labelled, seed), judges, seed)
    found = spent | looked_at(own, drawn, labelled, judges)
    yield judged("synthetic", labelled, mixed(labelled, drawn, seed), judges, seed, found)
    found = looked_at(leaked, others, labelled, judges)
    yield judged("leaked", labelled, mixed(labelled, others, seed), judges, seed, found)


def looked_at(generator: Generator, drawn: Images, labelled: Images, judges: Judges) -> dict[str, float]:
    """What the synthetic images are worth, and what they were made from."""
    real = nearest(judges.test.x[: len(drawn)], labelled.x)
    return {
        "drawn right": accuracy(judges.knowing, drawn),
        "newness": (nearest(drawn.x, labelled.x).median() / real.median()).item(),
        "unlawful": float(len(generator.seen - fingerprints(labelled))),
    }


def nearest(x: Tensor, others: Tensor) -> Tensor:
    """The distance of each image to the most similar of the others, (N,)."""
    return torch.cdist(x.flatten(1), others.flatten(1)).min(dim=1).values


def judged(
    way: str,
    labelled: Images,
    batches: Iterable[Batch],
    judges: Judges,
    seed: int,
    found: dict[str, float] | None = None,
) -> Run:
    """Train the classifier one way and test it."""
    start, classes = time.process_time(), labelled.classes
    model = train_classifier(batches, len(classes), labelled.pixels.shape[1], STEPS, seed)
    seconds = round(time.process_time() - start, 1)
    labels = len(labelled) // len(classes)
    results = {"accuracy": accuracy(model, judges.test), "labels": float(labels)} | (found or {})
    return Run(f"{way}, {labels} labels", seed, STEPS, seconds, device_name(model.device), results, {})
