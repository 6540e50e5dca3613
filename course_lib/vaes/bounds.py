"""How good is a model whose likelihood cannot be computed?

p(x) is an integral over all latents. Draw them from the encoder's q(z | x) instead, and each draw gives
one unbiased guess of p(x), the weight w = p(x, z) / q(z | x). Logarithms turn guesses into lower bounds:

    ELBO    E[log w]                          loose by KL(q(z | x) || p(z | x))
    IWAE    E[log mean of k weights]          tighter with each further draw, log p(x) in the limit

What a VAE minimises is the ELBO's negative in two parts: the distortion, -log p(x | z), which is how
badly the image is recovered, and the rate, KL(q(z | x) || p(z)), which is what the latents cost.

Kingma & Welling 2014; Burda et al. 2016, Importance Weighted Autoencoders; Alemi et al. 2018, Fixing
a Broken ELBO (rate and distortion). Everything is in nats.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.vaes.gaussian import log_density, log_prior, reparameterise

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]  # x -> mean, log-variance of q(z | x)
Likelihood = Callable[[Tensor, Tensor], Tensor]  # (x (B, ...), z (k, B, D)) -> log p(x | z), (k, B)


def log_weights(
    x: Tensor, encode: Encode, likelihood: Likelihood, noise: Float[Tensor, "k b d"]
) -> Float[Tensor, "k b"]:
    """log p(x | z) + log p(z) - log q(z | x) for draws z from the encoder (Burda et al. 2016, section 3).

    Parameters
    ----------
    x : Tensor, (B, ...)
    encode : callable
        x -> (mean, log_variance), each (B, D).
    likelihood : callable
        (x, z) -> log p(x | z); z is (k, B, D), the result (k, B).
    noise : Tensor, (k, B, D)
        Standard normal.
    """
    mean, log_variance = encode(x)
    z = reparameterise(mean, log_variance, noise)
    return likelihood(x, z) + log_prior(z) - log_density(z, mean, log_variance)


def elbo(log_weights: Tensor) -> Float[Tensor, " b"]:
    """The mean log-weight of each image: a lower bound of log p(x) in expectation (Kingma & Welling 2014, eq. 2)."""
    return _checked(log_weights).mean(0)


def iwae(log_weights: Tensor) -> Float[Tensor, " b"]:
    """The log of the mean weight of each image (Burda et al. 2016, eq. 8).

    At least the ELBO of the same draws, and in expectation never lower for more of them, nor above log p(x).

    Parameters
    ----------
    log_weights : Tensor, (k, B)

    Returns
    -------
    Tensor, (B,)

    Examples
    --------
    >>> iwae(torch.tensor([[1.0], [3.0]]).log()).exp()
    tensor([2.])
    """
    return _checked(log_weights).logsumexp(0) - math.log(len(log_weights))


def effective_samples(log_weights: Tensor) -> Float[Tensor, " b"]:
    """How many of the k draws count: (sum of w)^2 / sum of w^2, from 1 (one rules) to k (all are alike)."""
    return torch.exp(2 * _checked(log_weights).logsumexp(0) - (2 * log_weights).logsumexp(0))


def objective(distortion: Tensor, kl: Tensor, beta: float, free_bits: float) -> Tensor:
    """What a VAE minimises: mean distortion + beta sum_j max(free_bits, mean KL_j).

    Parameters
    ----------
    distortion : Tensor, (B,)
        -log p(x | z) of each image, for one draw z.
    kl : Tensor, (B, D)
        Of each latent dimension, as `kl_to_prior` gives it.
    beta : float
        1 for the ELBO; more makes the latents cheaper and the images worse (Higgins et al. 2017, eq. 4).
    free_bits : float
        A rate below which a dimension, in the mean over the batch, is not pressed further: in nats, despite
        the name. It keeps dimensions from collapsing before the decoder has learned to use them (Kingma et
        al. 2016, eq. 15). 0 for the ELBO.

    Returns
    -------
    Tensor, ()

    Raises
    ------
    ValueError
        If the shapes do not fit, or beta or free_bits is negative.
    """
    if kl.ndim != 2 or distortion.shape != kl.shape[:1]:
        raise ValueError(
            f"need distortion (B,) and KL (B, D), not yet summed, got {tuple(distortion.shape)} and {tuple(kl.shape)}"
        )
    if beta < 0 or free_bits < 0:
        raise ValueError(f"beta and free_bits must be 0 or more, got {beta} and {free_bits}")
    return distortion.mean() + beta * kl.mean(0).clamp(min=free_bits).sum()


def bits_per_dimension(log_likelihood: Float[Tensor, "..."], dimensions: int) -> Float[Tensor, "..."]:
    """Nats an image to bits a pixel value: what a perfect compressor built on the model would need.

    Parameters
    ----------
    log_likelihood : Tensor
        Of whole images, in nats, for discrete values. A density has no such meaning: it depends on the units.
    dimensions : int
        Values an image, C * H * W.

    Examples
    --------
    >>> bits_per_dimension(torch.tensor(-784 * math.log(256)), 784)  # 256 values, all equally likely
    tensor(8.)
    """
    if dimensions < 1:
        raise ValueError(f"an image has at least one dimension, got {dimensions}")
    return -log_likelihood / (dimensions * math.log(2))


def active(means: Tensor, threshold: float = 0.01) -> Bool[Tensor, " d"]:
    """Which latent dimensions tell images apart: those whose mean varies with them (Burda et al. 2016, section 5.2).

    Parameters
    ----------
    means : Tensor, (N, D)
        The encoder's, of at least two images.
    threshold : float
        Least variance.
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(f"means must be (N, D) of at least two images, got {tuple(means.shape)}")
    return means.var(0) > threshold


def _checked(log_weights: Tensor) -> Tensor:
    if log_weights.ndim != 2 or not len(log_weights):
        raise ValueError(f"log-weights must be (k, B), k >= 1 draws for each image, got {tuple(log_weights.shape)}")
    return log_weights
