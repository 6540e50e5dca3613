"""Do two sets of features come from one distribution?

Nobody can say whether a set of images is right by looking at one image, so we compare sets. A
feature network turns each image into a vector; then

- `frechet_distance` compares means and covariances (Heusel et al. 2017, whose FID is this with
  Inception features),
- `kernel_distance` compares all moments up to the third, without bias (Bińkowski et al. 2018).

All is computed in float64 on the CPU, so that the verdict does not depend on the device.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.metrics.doors import checked_features, same_width


class Statistics(NamedTuple):
    """Mean and covariance of features: all that the Fréchet distance needs.

    Attributes
    ----------
    mean : Tensor, float64, (D,)
    cov : Tensor, float64, (D, D)
        Symmetric, without negative eigenvalues; normalised by n - 1.
    n : int
        How many feature vectors they were taken from.
    """

    mean: Tensor
    cov: Tensor
    n: int


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def statistics(features: Tensor) -> Statistics:
    """Mean and covariance of features.

    Parameters
    ----------
    features : Tensor, (N, D), N > D

    Raises
    ------
    ValueError
        If N <= D. Such a covariance is singular: it claims that the images do not vary at all in
        some direction, and the distance measures the lack of samples. More is better still, since
        the distance is biased upwards by about 1/N: compare it with the `floor` at the same N.
    """
    features = checked_features(features, "features")
    n, dim = features.shape
    if n <= dim:
        raise ValueError(
            f"{n} samples are too few for {dim} features: their covariance is singular and the distance "
            f"would measure the lack of samples. Take at least {dim + 1}, better {10 * dim}."
        )
    centred = features - features.mean(0)
    return Statistics(features.mean(0), centred.T @ centred / (n - 1), n)


def frechet_distance(real: Tensor | Statistics, fake: Tensor | Statistics) -> float:
    """Fréchet distance between the Gaussians that fit two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the squared 2-Wasserstein distance
    (Heusel et al. 2017, eq. 6). With roots C = A A^T the last trace is the sum of the singular
    values of A1^T A2: no root of an unsymmetric matrix, no complex numbers to throw away.

    Parameters
    ----------
    real, fake : Tensor, (N, D), N > D, or Statistics

    Returns
    -------
    float
        0 or more. Biased upwards by about 1/N.

    Raises
    ------
    ValueError
        If there are too few samples, features that are not finite, or two numbers of features.

    Examples
    --------
    >>> features = torch.randn(500, 8)
    >>> round(frechet_distance(features, features + 1), 6)  # the mean moves by 1 in each of 8 directions
    8.0
    """
    a, b = _statistics(real, "real"), _statistics(fake, "fake")
    same_width(a.mean, b.mean)
    overlap = torch.linalg.svdvals(_root(a.cov).T @ _root(b.cov)).sum()
    distance = (a.mean - b.mean).square().sum() + a.cov.trace() + b.cov.trace() - 2 * overlap
    return max(0.0, distance.item())  # rounding can leave -1e-14 for equal sets


def _statistics(given: Tensor | Statistics, name: str) -> Statistics:
    if not isinstance(given, Statistics):
        return statistics(checked_features(given, name))
    mean, cov = given.mean.detach().cpu().double(), given.cov.detach().cpu().double()
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        raise ValueError(f"{name}: mean (D,) and cov (D, D) needed, got {tuple(mean.shape)} and {tuple(cov.shape)}")
    if not (mean.isfinite().all() and cov.isfinite().all()):
        raise ValueError(f"{name}: mean and covariance must be finite")
    if not torch.allclose(cov, cov.T):
        raise ValueError(f"{name}: a covariance is symmetric, this matrix is not")
    return Statistics(mean, cov, given.n)


def _root(cov: Tensor) -> Tensor:
    # A with A A^T = cov
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.clamp(min=0).sqrt()


def kernel_distance(real: Tensor, fake: Tensor, *, block: int = 500, seed: int = 0) -> Estimate:
    """Squared maximum mean discrepancy under a cubic kernel: the kernel distance (KID).

    The mean over disjoint blocks of `block` features from each set, in random order. Blocks are
    independent, so their spread gives an honest standard error. The customary random subsets
    overlap, and their spread does not.

    Parameters
    ----------
    real, fake : Tensor, (N, D), N >= 2 block
    block : int
        Larger blocks give less noise, fewer blocks a less certain error.
    seed : int
        Of the order.

    Returns
    -------
    Estimate
        Unbiased: for equal distributions it is 0 on average, and often negative.

    Raises
    ------
    ValueError
        If there are fewer than two blocks in a set, or the features do not fit together.
    """
    real, fake = checked_features(real, "real"), checked_features(fake, "fake")
    same_width(real, fake)
    blocks = min(len(real), len(fake)) // max(block, 1)
    if block < 2 or blocks < 2:
        raise ValueError(
            f"needs two blocks of at least 2 from each set for a standard error; "
            f"{len(real)} real and {len(fake)} fake features hold {blocks} of {block}: lower `block`"
        )
    rng = torch.Generator().manual_seed(seed)
    pairs = zip(_blocks(real, block, blocks, rng), _blocks(fake, block, blocks, rng), strict=True)
    estimates = torch.tensor([squared_mmd(a, b) for a, b in pairs], dtype=torch.float64)
    return Estimate(estimates.mean().item(), estimates.std().item() / math.sqrt(blocks))


def _blocks(features: Tensor, block: int, blocks: int, rng: torch.Generator) -> tuple[Tensor, ...]:
    return features[torch.randperm(len(features), generator=rng)[: block * blocks]].split(block)


def squared_mmd(real: Tensor, fake: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy under (x.y / D + 1)^3 (Bińkowski et al. 2018, eq. 4).

    Parameters
    ----------
    real, fake : Tensor, (N, D), at least 2 in each
        All pairs are formed at once: a few thousand at most.
    """
    real, fake = checked_features(real, "real"), checked_features(fake, "fake")
    same_width(real, fake)
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"needs at least 2 features in each set, got {len(real)} and {len(fake)}")
    within = _mean_off_diagonal(_cubic(real, real)) + _mean_off_diagonal(_cubic(fake, fake))
    return (within - 2 * _cubic(real, fake).mean()).item()


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: Tensor) -> Tensor:
    # A vector's similarity with itself is the bias that "unbiased" leaves out.
    n = len(kernel)
    return (kernel.sum() - kernel.trace()) / (n * (n - 1))
