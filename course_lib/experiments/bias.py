"""bias: a planted correlation, what guidance makes of it, and what helps.

Faces whose hair goes with their hat at 80 %, drawn by faces_skewed at six scales of guidance; by the same model with
balanced guidance; and by one that was trained with weights under which hat and hair are independent. Then the emoji
of 19 professions, where half of the jobs are held by men at 80 % and half by women.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_lib.checkpoints import pretrained
from course_lib.data.faces import coarse, faces, groups
from course_lib.data.images import Images, to_uint8
from course_lib.data.professions import GENDERS, PROFESSIONS, professions
from course_lib.device import device_name
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.solvers import Velocity, adams_bashforth, times
from course_lib.ethics.bias import Reading, reading, share_of, sharpened
from course_lib.ethics.fairness import Weighted, balanced, reweighted
from course_lib.experiments import Run
from course_lib.features import faces_score, read_faces
from course_lib.model import last
from course_lib.recipes import faces_skewed
from course_lib.transformers.dit import DitFlow

SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
SAMPLES = 1_000  # at each scale, half of them for each label, or the professions in turn
SEED, STEPS, EVALUATIONS = 0, faces_skewed.STEPS, faces_skewed.EVALUATIONS
STEREOTYPE = 0.8
PAIRS = ("man", "woman")  # the third gender of the emoji, "person", is drawn like one of them, and left out
UNREADABLE = "astronaut"  # a helmet hides the gender


class Asked(NamedTuple):
    """What a comparison needs: labels, the field for them at a scale, and what is read from the images."""

    labels: Tensor
    field: Callable[[Tensor, float], Velocity]
    stereotyped: Callable[[Tensor, Tensor], Tensor]  # images, labels -> whether each shows what its label goes with
    obeyed: Callable[[Tensor, Tensor], Tensor]
    errors: Reading | None


def run() -> Iterator[Run]:
    skewed, known = pretrained("faces_skewed"), faces_skewed.skewed()
    yield measured("faces, guidance", of_faces(skewed.velocity))
    yield measured("faces, balanced guidance", of_faces(lambda y, scale: balanced(skewed, y, (2, 3), scale, scale)))
    hat, hair = (coarse(known, name).labels for name in (faces_skewed.LABEL, faces_skewed.ATTRIBUTE))
    fair = Weighted(faces_skewed.data(), reweighted(hat, hair).repeat(2))
    yield trained("faces, reweighted", lambda model: of_faces(model.velocity), faces_skewed.build(), fair)
    jobs, weights = stereotyped_jobs()
    asked = lambda model: of_jobs(model.velocity, jobs)
    yield trained("professions, guidance", asked, at_work(), Weighted(jobs, weights))


def trained(name: str, asked: Callable[[Flow], Asked], model: Flow, data: Weighted, steps: int = STEPS) -> Run:
    start = time.process_time()
    model = faces_skewed.train(model, data, steps)
    return measured(name, asked(model), steps, time.process_time() - start)


def measured(name: str, asked: Asked, steps: int = 0, seconds: float = 0.0) -> Run:
    """Draw at each scale; the share that shows what goes with its label, corrected, and how many obey the label."""
    curves = {"scale": list(SCALES), "target": [sharpened(STEREOTYPE, 0.5, scale) for scale in SCALES]}
    for scale in SCALES:
        images = drawn(asked, scale)
        share = share_of(asked.stereotyped(images, asked.labels), asked.errors)
        found = share._asdict() | {"obeyed": asked.obeyed(images, asked.labels).float().mean().item()}
        if images.shape[1:] == (3, 16, 16) and asked.errors:
            score = faces_score(images)
            found |= {"precision": score.precision, "recall": score.recall, "distance": score.distance}
        for key, value in found.items():
            curves.setdefault(key, []).append(round(value, 4))
    at = {f"share at {scale:g}": share for scale, share in zip(SCALES, curves["value"])}
    errors = asked.errors._asdict() if asked.errors else {}
    return Run(name, SEED, steps, round(seconds, 1), device_name(asked.labels.device), at | errors, curves)


def drawn(asked: Asked, scale: float) -> Tensor:
    """One image a label, from the same noise at every scale."""
    noise = torch.randn(len(asked.labels), 3, 16, 16, generator=torch.Generator().manual_seed(SEED))
    states = [
        last(adams_bashforth(asked.field(y, scale), x, times(EVALUATIONS)))
        for y, x in zip(asked.labels.split(250), noise.split(250))
    ]
    return torch.cat(states).clamp(-1, 1)


def of_faces(field: Callable[[Tensor, float], Velocity]) -> Asked:
    """With a hat, and without one, in turn; whether long hair goes with the hat and short hair with none."""

    def stereotyped(images: Tensor, hat: Tensor) -> Tensor:
        return read_faces(images)["hair"] != hat  # groups: none, hat; long, short

    def obeyed(images: Tensor, hat: Tensor) -> Tensor:
        return read_faces(images)["hat"] == hat

    real = faces(5_000, seed=11)
    hair, hat = (coarse(real, name).labels for name in ("hair", "hat"))
    errors = reading(stereotyped(real.x, hat), hair != hat)
    return Asked(torch.arange(SAMPLES) % len(groups("hat")), field, stereotyped, obeyed, errors)


def at_work() -> DitFlow:
    torch.manual_seed(SEED)
    return DitFlow(channels=3, size=16, patch=4, width=64, depth=2, heads=4, classes=len(PROFESSIONS) - 1)


def stereotyped_jobs() -> tuple[Images, Tensor]:
    """Men and women at work at 16 px, labelled by job, weighted so that even jobs are men's at 80 %, odd ones women's.

    Gender is the remainder of an image's index by 2: 0 a man, 1 a woman.
    """
    everyone = professions("all")
    gender, job = everyone.column("gender"), everyone.column("profession")
    chosen = [(job == j) & (gender == GENDERS.index(pair)) for j in readable() for pair in PAIRS]
    index = torch.stack([mask.nonzero()[:, 0] for mask in chosen]).reshape(len(readable()), 2, -1).mT.flatten()
    labels = torch.arange(len(readable())).repeat_interleave(len(index) // len(readable()))
    pixels = to_uint8(avg_pool2d(everyone.x[index], 2))
    usual = torch.arange(len(index)) % 2 == labels % 2
    jobs = Images(pixels, labels, tuple(PROFESSIONS[j] for j in readable()))
    return jobs, torch.where(usual, STEREOTYPE, 1 - STEREOTYPE)


def readable() -> list[int]:
    return [j for j, name in enumerate(PROFESSIONS) if name != UNREADABLE]


def of_jobs(field: Callable[[Tensor, float], Velocity], jobs: Images) -> Asked:
    """The professions in turn; an image is read as its nearest emoji is, which is exact on the emoji themselves."""

    def nearest(images: Tensor) -> Tensor:
        return torch.cdist(images.flatten(1), jobs.x.flatten(1)).argmin(dim=1)

    return Asked(
        torch.arange(SAMPLES) % len(jobs.classes),
        field,
        lambda images, labels: nearest(images) % 2 == labels % 2,
        lambda images, labels: jobs.labels[nearest(images)] == labels,
        None,
    )
