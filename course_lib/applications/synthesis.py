"""One page for all families: the same request, answered by each.

What five modules trained is asked here in the same words, for images of labels (`fashion_by_...`), of attributes
(`faces_by_...`) or of captions (`..._from_words`), from a seed. Each function is a few lines, since each family is
asked in its own way:

    GAN       one pass from noise and label
    VAE       a draw from a prior, fitted to the latents of the class that is wanted: it was never told of classes
    flow      an equation solved from noise to image
    tokens    7 x 7 code numbers, one after the other, in rounds, or scale by scale; then decoded

Settings are those of the recipes, so what a checkpoint reached (`stated`) holds for what is drawn here. Whether it
shows what was asked for, the course's judges say (`fashion_obeyed`, `faces_obeyed`).
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.checkpoints import info, pretrained
from course_lib.data.faces import crossed, load_faces, uncrossed
from course_lib.data.fashion import fashion
from course_lib.data.images import Images, to_float
from course_lib.device import seeded
from course_lib.features import fashion_features, read_faces
from course_lib.model import last
from course_lib.transformers import contest
from course_lib.transformers.scales import finest
from course_lib.vaes.gaussian import reparameterise
from course_lib.vaes.prior import LatentMixture, fit_prior

TOLD = ("hair", "hat", "glasses", "mouth")  # what a face's label says: one of their 24 combinations
CPU = torch.device("cpu")  # models come from their files and stay there: a page is a few dozen images
COMPONENTS = {"fashion_vae": 5, "faces_vae": 1}  # Gaussians a class, as many as its latents can teach


def fashion_by_gan(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]."""
    return _drawn("fashion_gan", labels, seed)


def fashion_by_vae(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]."""
    return _decoded("fashion_vae", fashion_latents(), labels, seed)


def fashion_by_flow(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1], in 32 evaluations."""
    return _drawn("fashion_flow", labels, seed)  # 32 are its default


def fashion_by_raster(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]: 49 tokens, one after the other."""
    with seeded(seed, CPU):
        return contest.draw(pretrained("fashion_raster"), labels)


def fashion_by_maskgit(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]: 49 tokens in eight rounds."""
    with seeded(seed, CPU):
        return contest.draw(pretrained("fashion_maskgit"), labels)


def fashion_by_scales(labels: Tensor, seed: int) -> Tensor:
    """One image a label, (n, 1, 28, 28) in [-1, 1]: tokens on four scales, from 1 x 1 to 7 x 7."""
    with seeded(seed, CPU):
        return contest.draw(pretrained("fashion_scales"), labels, finest)


def faces_by_gan(labels: Tensor, seed: int) -> Tensor:
    """One face a label, (n, 3, 16, 16) in [-1, 1]; labels are combinations of `TOLD`, as `crossed` counts them."""
    return _drawn("faces_gan", labels, seed)


def faces_by_vae(labels: Tensor, seed: int) -> Tensor:
    """One face a label, (n, 3, 16, 16) in [-1, 1]."""
    return _decoded("faces_vae", faces_latents(), labels, seed)


def emoji_from_words(captions: Sequence[str], seed: int) -> Tensor:
    """One picture a caption, (n, 3, 32, 32) in [-1, 1]; a caption begins with its artist, "noto" or "fluent"."""
    return _read("emoji_flow", captions, seed)


def shapes_from_words(captions: Sequence[str], seed: int) -> Tensor:
    """One picture a caption, (n, 3, 32, 32) in [-1, 1]: "a small red star above a large blue circle"."""
    return _read("shapes_flow", captions, seed)


def fashion_obeyed(images: Tensor, labels: Tensor) -> float:
    """Share of the images that the course's judge of clothes puts in the class that was asked for.

    It is right on 90 % of real test images, so 1 is not to be expected, nor is it better than 0.9: a model that only
    draws what is typical pleases a judge.
    """
    with torch.no_grad():
        read = torch.cat([fashion_features().logits(part.cpu()).argmax(dim=1) for part in images.split(500)])
    return (read == labels.cpu()).float().mean().item()


def faces_obeyed(images: Tensor, labels: Tensor) -> dict[str, float]:
    """For each attribute that was told, the share of the faces that show it."""
    read, told = read_faces(images), uncrossed(labels.cpu(), TOLD)
    return {name: (read[name] == told[name]).float().mean().item() for name in TOLD}


def stated(name: str) -> dict[str, float]:
    """What a checkpoint says of itself: its parameters, and the metrics in its file."""
    size = sum(p.numel() for p in pretrained(name).parameters())
    return {"parameters": float(size)} | info(name)["metrics"]


@functools.cache
def fashion_latents() -> tuple[LatentMixture, ...]:
    """For each class of clothes, the prior that its latents have."""
    return _priors("fashion_vae", fashion())


@functools.cache
def faces_latents() -> tuple[LatentMixture, ...]:
    """For each combination of attributes, the prior that its latents have."""
    return _priors("faces_vae", crossed(load_faces(), TOLD))


def _priors(name: str, images: Images) -> tuple[LatentMixture, ...]:
    model = pretrained(name)
    with torch.no_grad(), seeded(0, CPU):
        mean, log_variance = (
            torch.cat(part) for part in zip(*(model.encode(to_float(x)) for x in images.pixels.split(500)))
        )
        z = reparameterise(mean, log_variance, torch.randn_like(mean))
    kinds = [z[images.labels == k] for k in range(len(images.classes))]
    return tuple(fit_prior(kind, COMPONENTS[name]) for kind in kinds)


def _decoded(name: str, priors: tuple[LatentMixture, ...], labels: Tensor, seed: int) -> Tensor:
    _check(labels, len(priors))
    with seeded(seed, CPU):
        z = torch.stack([priors[k].sample(1)[0] for k in labels.tolist()])
        return last(pretrained(name).sample(len(z), noise=z)).clamp(-1, 1)


def _drawn(name: str, labels: Tensor, seed: int) -> Tensor:
    model = pretrained(name)
    _check(labels, model.config["classes"])
    with seeded(seed, CPU):
        return last(model.sample(len(labels), labels)).clamp(-1, 1)


def _read(name: str, captions: Sequence[str], seed: int) -> Tensor:
    model = pretrained(name)
    with seeded(seed, CPU):
        return last(model.sample(len(captions), model.read(captions), steps=16, guidance=2.0)).clamp(-1, 1)


def _check(labels: Tensor, classes: int) -> None:
    if labels.ndim != 1 or not len(labels) or not ((0 <= labels) & (labels < classes)).all():
        raise ValueError(f"labels must be (n,) of at least one in 0..{classes - 1}, got {labels.tolist()}")
