"""Has the model learnt, or has it copied?

Three questions, from the outside to the inside, each with an answer for a model that has memorised nothing:

- Do its samples lie nearer to training images than to other images of the same kind? Then: half of them do.
- Does it find an inserted oddity, a canary, more plausible than its like that were never inserted? Then: the canary's
  rank among them is a matter of chance, and its exposure 1.44 bits on average.
- Can one tell from its loss whether an image was in the training set? Then: the area under the ROC curve is 1/2.

Somepalli et al. 2023, Diffusion Art or Digital Forgery?; Carlini et al. 2019, The Secret Sharer; Carlini et al. 2023,
Extracting Training Data from Diffusion Models. Theirs are photographs and a large model; ours small, and trained in a
minute, so that the set's size and the number of an image's duplicates can be varied.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.data.images import Images
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.schedules import add_noise, flow
from course_lib.ethics.shares import Share, counted
from course_lib.ethics.verdicts import Z95, Verdict, verdict

Pictures = Float[Tensor, "n c h w"]

TIMES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # noise levels at which a member is looked for
COPY = 0.5  # at most half as far from a training image as from any other: a copy


class Replication(NamedTuple):
    """Where samples lie, between the training images and as many others.

    Attributes
    ----------
    ratio : Tensor, (N,)
        Distance to the nearest training image over the distance to the nearest other: below 1, training is nearer.
    nearer : Share
        Of the samples with a ratio below 1; 1/2 if nothing was memorised.
    copies : Share
        Of the samples with a ratio below `COPY`.
    chance : float
        How far from 1/2 the first share gets by chance (95 %), were training images and others exchanged at random.
        Wider than its binomial interval where many samples share a few nearest images.
    nearest : Tensor, int64, (N,)
        The nearest training image of each sample.
    """

    ratio: Tensor
    nearer: Share
    copies: Share
    chance: float
    nearest: Tensor


def replication(samples: Pictures, training: Pictures, others: Pictures) -> Replication:
    """Do samples lie nearer to what the model was trained on than to what it has never seen?

    Distances alone mislead: a sparse data set has distant neighbours, a plain image near ones. Other images of the
    same kind, and as many, say what is usual.

    Parameters
    ----------
    samples : Tensor, float, (N, C, H, W)
    training, others : Tensor, float, (M, C, H, W)
        Each image once: duplicates of a training image would make no sample nearer.

    Raises
    ------
    ValueError
        If there are not as many others as training images: of more images the nearest one is nearer.
    """
    if training.shape != others.shape or samples.shape[1:] != training.shape[1:]:
        raise ValueError(
            f"training images and others must be as many and of the samples' shape {tuple(samples.shape[1:])}, "
            f"got {tuple(training.shape)} and {tuple(others.shape)}: among more images the nearest one is nearer"
        )
    mine, nearest = distances(samples, training).min(dim=1)
    theirs, other = distances(samples, others).min(dim=1)
    ratio = mine / theirs.clamp_min(1e-9)
    nearer, copies = (counted(int((ratio < least).sum()), len(ratio)) for least in (1, COPY))
    in_pool = torch.where(ratio < 1, nearest, len(training) + other)
    return Replication(ratio, nearer, copies, by_chance(in_pool, 2 * len(training)), nearest)


def distances(x: Pictures, y: Pictures) -> Float[Tensor, "n m"]:
    """Root mean square difference of each pair, in the unit of pixels in [-1, 1]."""
    return torch.cdist(x.flatten(1).double(), y.flatten(1).double()) / math.sqrt(x[0].numel())


def by_chance(nearest: Int[Tensor, " n"], pool: int) -> float:
    """Half the width of the interval around 1/2 in which the share of training images among the nearest lies by chance.

    If nothing was memorised, which half of the pool was trained on is a toss-up. An image that is the nearest of c
    samples then moves the share by c / n all at once: the variance of the share is

        pool / (pool - 1) (sum of c^2 - n^2 / pool) / 4 n^2

    Parameters
    ----------
    nearest : Tensor, int64, (n,)
        Of each sample: which image of the pool, 0..pool - 1.
    pool : int
        Training images and others together, half of each.
    """
    n, count = len(nearest), nearest.bincount(minlength=pool).double()
    variance = pool / (pool - 1) * (count.square().sum() - n * n / pool) / (4 * n * n)
    return Z95 * math.sqrt(max(variance, 0.0))


def exposure(canaries: Float[Tensor, " c"], like: Float[Tensor, " r"]) -> Float[Tensor, " c"]:
    """How many bits of a canary has the model given away? (Carlini et al. 2019, definition 2)

    log2 of the number of candidates, minus log2 of the canary's rank among them by its loss. Rank 1 of 1,024 is 10
    bits: who tries candidates in the model's order finds the canary at once. By chance it is log2 e = 1.44 on average.

    Parameters
    ----------
    canaries : Tensor, (C,)
        Losses of what was inserted.
    like : Tensor, (R,)
        Losses of what could as well have been: drawn alike, never inserted.

    Returns
    -------
    Tensor, (C,)
        From 0 to log2(R + 1). A candidate with an equal loss counts as better.

    Examples
    --------
    >>> exposure(torch.tensor([0.0, 1.5, 9.0]), torch.arange(1.0, 8.0))
    tensor([3., 2., 0.])
    """
    if not len(like) or not (canaries.isfinite().all() and like.isfinite().all()):
        raise ValueError(f"losses must be finite, and of at least one candidate, got {len(like)} candidates")
    rank = 1 + (like <= canaries[:, None]).sum(dim=1)
    return math.log2(len(like) + 1) - rank.log2()


@torch.no_grad()
def denoising_losses(
    model: Flow, images: Images, times: tuple[float, ...] = TIMES, draws: int = 4, seed: int = 0
) -> Float[Tensor, "t n"]:
    """The loss of each image at each noise level, the mean over a few draws of noise.

    All images get the same noise, so that they differ by what they are.
    """
    rng, x0 = torch.Generator().manual_seed(seed), images.x
    predict, losses = model.eval().predictor(images.labels), []
    for t in torch.tensor(times).to(x0):
        of_draws = []
        for _ in range(draws):
            eps = torch.randn(x0.shape[1:], generator=rng).to(x0).expand_as(x0)
            error = predict(add_noise(x0, eps, t, flow), t) - (eps - x0)
            of_draws.append(error.square().mean(dim=(1, 2, 3)))
        losses.append(torch.stack(of_draws).mean(dim=0))
    return torch.stack(losses)


def membership(members: Float[Tensor, "t n"], others: Float[Tensor, "t m"]) -> list[Verdict]:
    """Membership inference by the loss, at each noise level (Yeom et al. 2018; Carlini et al. 2023, section 5).

    A member is what has a low loss. The verdicts hold AUROC and the true-positive rate at 1 % false accusations.

    Parameters
    ----------
    members, others : Tensor, (T, N) and (T, M), M >= 100
        From `denoising_losses`.
    """
    return [verdict(-outside.double(), -inside.double()) for inside, outside in zip(members, others)]


def near_duplicates(x: Pictures, within: float) -> Bool[Tensor, " n"]:
    """Which images come again, after one that is nearly equal? Keep the others: `x[~near_duplicates(x, 0.1)]`.

    Parameters
    ----------
    x : Tensor, float, (N, C, H, W)
        All pairs are formed: some thousand images.
    within : float
        Root mean square difference of pixels in [-1, 1] up to which two images are the same; 0 finds exact copies.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 0.05, 1.0]).reshape(4, 1, 1, 1)
    >>> near_duplicates(x, 0.1)
    tensor([False, False,  True,  True])
    """
    if within < 0:
        raise ValueError(f"two images are never nearer than 0, got {within}")
    close = distances(x, x) <= within + 1e-6
    return close.tril(diagonal=-1).any(dim=1)
