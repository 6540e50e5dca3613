"""Where do a generator's images lie?

Noise of many dimensions has almost no mass near its centre: its norm is about sqrt(latent), with a
spread of 1/sqrt(2) whatever the dimension. A straight line between two draws dives through the empty
middle; a path on the sphere keeps the norm that the generator was trained on. Truncation goes inwards
on purpose: typical images, at the price of variety.

White 2016, Sampling Generative Networks; Brock et al. 2019 (BigGAN), section 3.1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def truncated(noise: Float[Tensor, "*shape"], limit: float) -> Float[Tensor, "*shape"]:
    """Normal noise turned into noise from the normal truncated to [-limit, limit], quantile by quantile.

    BigGAN draws anew what lies outside. The map of quantiles gives the same distribution, moves each
    component continuously with the limit, and leaves the order of the components as it is.

    Parameters
    ----------
    noise : Tensor
        Standard normal.
    limit : float
        Above 0, in standard deviations; infinity changes nothing.

    Raises
    ------
    ValueError
        If the limit is not positive.

    Examples
    --------
    >>> truncated(torch.tensor([-3.0, 0.0, 3.0]), 0.5)
    tensor([-0.4985,  0.0000,  0.4985])
    """
    if not limit > 0:
        raise ValueError(f"truncation must be above 0 standard deviations, got {limit}: at 0 all images are one")
    if math.isinf(limit):
        return noise
    root = math.sqrt(2)
    inside = math.erf(limit / root)  # the mass between -limit and limit
    return (root * torch.erfinv(inside * torch.erf(noise / root))).clamp(-limit, limit)


def slerp(a: Float[Tensor, "*b d"], b: Float[Tensor, "*b d"], t: float) -> Float[Tensor, "*b d"]:
    """The point at t in [0, 1] on the great circle from a to b (Shoemake 1985; White 2016, section 2.1).

    Parameters
    ----------
    a, b : Tensor, (..., latent)
        Not opposite to each other.
    t : float

    Returns
    -------
    Tensor, (..., latent)
        Where a and b have the same norm, so has the path; else its norm goes from one to the other.

    Raises
    ------
    ValueError
        If two ends are opposite: no shortest way between them is better than another.
    """
    cosine = torch.cosine_similarity(a, b, dim=-1)[..., None]
    if (cosine < -1 + 1e-6).any():
        raise ValueError("the ends of a path are opposite to each other, so that there is no shortest way")
    angle = torch.arccos(cosine.clamp(max=1))
    from_a, from_b = torch.sin((1 - t) * angle), torch.sin(t * angle)
    path = (from_a * a + from_b * b) / torch.sin(angle)
    return torch.where(angle < 1e-3, torch.lerp(a, b, t), path)  # an arc so short is a line
