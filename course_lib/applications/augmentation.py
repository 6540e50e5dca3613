"""Can a generator make a few labels go further?

A classifier has ten labels a class. Old advice: shift and mirror what there is, since a shoe remains a shoe. New
advice: draw more shoes. But a generator that is trained on the same few images knows nothing that is not in them;
what it can add is the guess of its architecture of how they vary. And a generator that was trained on more has seen
labels that the classifier is said not to have: its help is leakage, and measures nothing.

So whoever trains a generator here trains it on witnessed batches: every labelled image that passes leaves its
fingerprint, a hash of its pixels and label. Before its images may teach a classifier, `admitted` compares what it
saw with what the classifier may see, and refuses it if there is more. To renumber, to copy or to forget changes
nothing: what was seen is known by its content.

Shorten & Khoshgoftaar 2019, A Survey on Image Data Augmentation; Azizi et al. 2023, Synthetic Data from Diffusion
Models Improves ImageNet Classification (from a generator of far more images, and fine-tuned); Ravuri & Vinyals 2019.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.applications.own import fit_flow
from course_lib.data.images import Batch, Images, expect, to_float, to_uint8
from course_lib.device import seeded
from course_lib.features import FeatureNet
from course_lib.model import last
from course_lib.training import adamw, train_steps, warmup_cosine

BATCH = 64
SHIFT = 1 / 14  # of an image's side: two pixels of 28

Seen = frozenset[bytes]


class Generator(NamedTuple):
    """Who draws images of given labels, and what it was trained on.

    Attributes
    ----------
    draw : callable
        Labels (n,) -> images (n, C, H, W) in about [-1, 1].
    seen : frozenset of bytes
        Fingerprints of every labelled image that its training met.
    """

    draw: Callable[[Tensor], Tensor]
    seen: Seen


class LeakageError(ValueError):
    """A generator has seen labels that the classifier does not have."""


def few(images: Images, labels: int, seed: int) -> Images:
    """A random choice of so many images of each class, in random order.

    Raises
    ------
    ValueError
        If a class has fewer.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).to(images.labels.device)
    kinds = [order[images.labels[order] == k] for k in range(len(images.classes))]
    if not 1 <= labels <= min(map(len, kinds)):
        raise ValueError(f"each class must give 1 to {min(map(len, kinds))} images, all that the rarest has: {labels}")
    chosen = torch.cat([kind[:labels] for kind in kinds])
    return images[chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))]]


def fingerprints(images: Images) -> Seen:
    """A hash of each image's pixels and label.

    Examples
    --------
    >>> black = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    >>> len(fingerprints(Images(black, torch.tensor([0, 0, 1]))))
    2
    """
    rows = images.pixels.flatten(1).cpu().numpy()
    return frozenset(
        hashlib.sha256(f"{label}:".encode() + row.tobytes()).digest()
        for label, row in zip(images.labels.tolist(), rows)
    )


def witnessed(batches: Iterable[Batch], seen: set[bytes]) -> Iterator[Batch]:
    """The same batches; each labelled image that passes leaves its fingerprint in `seen`."""
    for batch in batches:
        seen |= fingerprints(Images(to_uint8(batch.x), batch.y))
        yield batch


def admitted(generator: Generator, labelled: Images) -> Generator:
    """The generator, if it saw no labelled image but these.

    Raises
    ------
    LeakageError
        If it saw others: a ValueError that says how many.
    """
    others = generator.seen - fingerprints(labelled)
    if others or not generator.seen:
        raise LeakageError(
            f"the generator was trained on {len(others):,} labelled images that are not among the {len(labelled):,} of "
            "the classifier: what it adds would be their labels, and the gain would be leakage"
            if others
            else "nobody watched this generator's training: train it on `witnessed` batches"
        )
    return generator


def train_generator(labelled: Images, steps: int, seed: int, evaluations: int = 8) -> Generator:
    """A small class-conditional flow, trained on these images and watched.

    Parameters
    ----------
    labelled : Images, (N, C, size, size)
    steps, seed : int
    evaluations : int
        Of the network, for each image that it draws.
    """
    seen: set[bytes] = set()
    model = fit_flow(labelled, steps=steps, seed=seed, watch=lambda batches: witnessed(batches, seen))
    return Generator(lambda y: last(model.sample(len(y), y, steps=evaluations)), frozenset(seen))


def synthesised(labelled: Images, n: int, *, steps: int = 1_000, seed: int = 0) -> Images:
    """n more labelled images for few, such as `folder(path, size)` gives, by a generator that saw these alone."""
    generator = admitted(train_generator(labelled, steps, seed), labelled)
    return bank(generator, n, labelled.classes, seed)


def bank(generator: Generator, n: int, classes: tuple[str, ...], seed: int, part: int = 250) -> Images:
    """n synthetic images, the classes in turn."""
    labels = torch.arange(n) % len(classes)
    with seeded(seed, torch.device("cpu")):
        drawn = torch.cat([generator.draw(y).cpu() for y in labels.split(part)])
    return Images(to_uint8(drawn), labels, classes)


def plain(labelled: Images, seed: int) -> Iterator[Batch]:
    """Batches of the images as they are; where there are fewer than a batch holds, all of them."""
    return labelled.batches(min(BATCH, len(labelled)), seed)


def jittered(labelled: Images, seed: int) -> Iterator[Batch]:
    """Batches in which each image is shifted by up to a fourteenth, and every second one mirrored, at random."""
    rng, reach = torch.Generator().manual_seed(seed), round(SHIFT * labelled.pixels.shape[-1])
    for x, y in plain(labelled, seed):
        yield Batch(moved(x, torch.randint(-reach, reach + 1, (2, len(x)), generator=rng), coin(len(x), rng)), y)


def mixed(labelled: Images, synthetic: Images, seed: int) -> Iterator[Batch]:
    """Batches that are half real and half synthetic."""
    half = min(BATCH // 2, len(labelled), len(synthetic))
    for real, drawn in zip(labelled.batches(half, seed), synthetic.batches(half, seed)):
        yield Batch(torch.cat([real.x, drawn.x]), torch.cat([real.y, drawn.y]))


def moved(x: Tensor, shift: Tensor, mirrored: Tensor) -> Tensor:
    """Images shifted down and right, the border repeated, and some of them mirrored before.

    Parameters
    ----------
    x : Tensor, (N, C, H, W)
    shift : Tensor, int64, (2, N)
        Pixels down and pixels right.
    mirrored : Tensor, bool, (N,)

    Examples
    --------
    >>> moved(torch.tensor([[[[1, 2, 3]]]]), torch.tensor([[0], [1]]), torch.tensor([False]))
    tensor([[[[1, 1, 2]]]])
    """
    expect("shift", shift, torch.int64, (2, len(x)))
    expect("mirrored", mirrored, torch.bool, (len(x),))
    height, width = x.shape[2:]
    across = torch.where(mirrored[:, None], torch.arange(width).flip(0), torch.arange(width))
    columns = across.gather(1, (torch.arange(width) - shift[1, :, None]).clamp(0, width - 1)).to(x.device)
    rows = (torch.arange(height) - shift[0, :, None]).clamp(0, height - 1).to(x.device)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[image, rows[:, :, None], columns[:, None]].movedim(-1, 1)


def coin(n: int, rng: torch.Generator) -> Tensor:
    return torch.rand(n, generator=rng) < 0.5


def train_classifier(batches: Iterable[Batch], classes: int, channels: int, steps: int, seed: int) -> FeatureNet:
    """A small convolutional classifier: as many updates whatever its batches are made of."""
    with seeded(seed, torch.device("cpu")):
        model = FeatureNet(channels, classes, dim=64)
    optimizer, rate = partial(adamw, lr=5e-3), warmup_cosine(steps, warmup=20)
    for _ in train_steps(model, batches, steps, optimizer=optimizer, lr_factor=rate, seed=seed):
        pass
    return model.eval()


@torch.no_grad()
def accuracy(model: FeatureNet, images: Images) -> float:
    """Share of the images that the classifier puts in their class."""
    guess = torch.cat([model.logits(to_float(part)).argmax(dim=1) for part in images.pixels.split(500)])
    return (guess == images.labels).float().mean().item()
