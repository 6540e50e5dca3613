"""audit: what do the shipped models of clothes and faces show?

Whoever draws from a model should know what it draws how often, before anyone else finds out. Each model draws its
labels in turn, or just draws; the course's judges read the images. The data are balanced: a tenth of each kind of
clothes, half of the faces with a hat, half with long hair, half of them happy. What deviates is the model's doing, or
the judge's, which errs on one image of clothes in ten and on one face in a hundred.
"""

import time
from collections.abc import Iterator
from importlib import import_module

import torch
from torch import Tensor

from course_lib.checkpoints import available, info, pretrained
from course_lib.data.faces import groups
from course_lib.data.fashion import CLASSES
from course_lib.device import device_name, seeded
from course_lib.experiments import Run
from course_lib.experiments.energy import JUDGES, drawer
from course_lib.features import fashion_features, read_faces

SEED, IMAGES, PART = 0, 300, 100
ATTRIBUTES = ("hat", "hair", "mouth")  # two groups each


def run() -> Iterator[Run]:
    for name in available():
        if name.startswith(("fashion_", "faces_")) and name not in JUDGES:
            yield audited(name)


def audited(name: str, n: int = IMAGES) -> Run:
    """Draw n images and count what they show."""
    model, recipe = pretrained(name), import_module(f"course_lib.recipes.{info(name)['recipe']}")
    draw, start = drawer(recipe), time.process_time()
    with seeded(SEED, model.device):
        images = torch.cat([draw(model, PART).cpu() for _ in range(0, n, PART)]).clamp(-1, 1)
    seconds = round(time.process_time() - start, 1)
    results = {"images": float(len(images))} | (clothes(images) if images.shape[1] == 1 else faces(images))
    return Run(name, SEED, 0, seconds, device_name(model.device), results, {})


@torch.no_grad()
def clothes(images: Tensor) -> dict[str, float]:
    """Class -> share of the images that are read as it."""
    read = fashion_features().logits(images).argmax(dim=1).bincount(minlength=len(CLASSES))
    return dict(zip(CLASSES, (read / len(images)).tolist()))


def faces(images: Tensor) -> dict[str, float]:
    """Attribute -> share of the faces that show the second of its two groups."""
    read = read_faces(images)
    return {f"{name}: {groups(name)[1]}": (read[name] == 1).float().mean().item() for name in ATTRIBUTES}
