"""What an encoder says of an image: a Gaussian.

The encoder of a VAE answers with a mean and a log-variance for each latent dimension, the prior is
N(0, 1), and no two dimensions depend on each other. So all that training needs has a closed form: a
sample that gradients can pass through, its log-density, and the Kullback-Leibler divergence, which is
what the image costs to send beyond what the prior knows already.

Kingma & Welling 2014, Auto-Encoding Variational Bayes. Log-variances, since any real number is one.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Latent = Float[Tensor, "*b d"]  # latents, their means or their log-variances
Divergence = Float[Tensor, "*b d"]  # nats in each dimension


def reparameterise(mean: Latent, log_variance: Latent, noise: Latent) -> Latent:
    """z = mean + std eps: a sample as a differentiable function of its parameters (Kingma & Welling 2014, eq. 4).

    Parameters
    ----------
    mean, log_variance : Tensor, (B, D)
    noise : Tensor, (B, D) or (k, B, D)
        Standard normal; k draws for each image if it has one axis more.

    Returns
    -------
    Tensor, of the noise's shape

    Raises
    ------
    ValueError
        If the shapes do not fit: broadcasting would share one draw among images.

    Examples
    --------
    >>> reparameterise(torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([[0.5, -1.0]]))
    tensor([[1.5000, 0.0000]])
    """
    _same(mean=mean, log_variance=log_variance)
    if noise.shape[-mean.ndim :] != mean.shape:
        raise ValueError(f"noise must be {tuple(mean.shape)}, or (k, ...) of it, got {tuple(noise.shape)}")
    return mean + torch.exp(log_variance / 2) * noise


def log_density(z: Latent, mean: Latent, log_variance: Latent) -> Float[Tensor, "*b"]:
    """log N(z; mean, exp(log_variance)), summed over the dimensions.

    Parameters
    ----------
    z : Tensor, (B, D) or (k, B, D)
    mean, log_variance : Tensor, (B, D)

    Returns
    -------
    Tensor, (B,) or (k, B)
        In nats.
    """
    _same(mean=mean, log_variance=log_variance)
    if z.shape[-mean.ndim :] != mean.shape:
        raise ValueError(f"z must be {tuple(mean.shape)}, or (k, ...) of it, got {tuple(z.shape)}")
    squared = (z - mean).square() * torch.exp(-log_variance)
    return -(squared + log_variance + math.log(2 * math.pi)).sum(-1) / 2


def log_prior(z: Latent) -> Float[Tensor, "*b"]:
    """log N(z; 0, 1), summed over the dimensions."""
    return -(z.square() + math.log(2 * math.pi)).sum(-1) / 2


def kl_to_prior(mean: Latent, log_variance: Latent) -> Divergence:
    """KL(N(mean, variance) || N(0, 1)) of each dimension (Kingma & Welling 2014, appendix B).

    Parameters
    ----------
    mean, log_variance : Tensor, (B, D)

    Returns
    -------
    Tensor, (B, D), at least 0
        In nats; 0 where the encoder says nothing that the prior did not say. Not summed, because a
        dimension that is 0 for every image has collapsed, and that should be seen.

    Examples
    --------
    >>> kl_to_prior(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([[0., 2.]])
    """
    _same(mean=mean, log_variance=log_variance)
    return (mean.square() + torch.expm1(log_variance) - log_variance) / 2


def kl(mean_q: Latent, log_variance_q: Latent, mean_p: Latent, log_variance_p: Latent) -> Divergence:
    """KL(q || p) of each dimension, for two Gaussians: the mean of log q - log p under q.

    Not symmetric: it punishes q for being where p is not, and does not mind what q leaves out.

    Parameters
    ----------
    mean_q, log_variance_q, mean_p, log_variance_p : Tensor, (B, D)

    Returns
    -------
    Tensor, (B, D), at least 0
    """
    _same(mean_q=mean_q, log_variance_q=log_variance_q, mean_p=mean_p, log_variance_p=log_variance_p)
    # Seen from p, in units of its width, p is the prior.
    return kl_to_prior((mean_q - mean_p) * torch.exp(-log_variance_p / 2), log_variance_q - log_variance_p)


def _same(**tensors: Tensor) -> None:
    if len({tensor.shape for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"one number a latent dimension each is needed, in equal shapes, got {shapes}")
