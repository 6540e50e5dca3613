"""How fast does an image drown in noise?

A schedule is a function t -> (alpha, sigma) with t = 0 at the data and t = 1 at the noise:

    x_t = alpha x_0 + sigma eps,    eps ~ N(0, 1)

All that a model or a sampler needs to know of the forward process is this pair. What the papers
write as alpha-bar is our alpha squared (GLOSSARY.md). Variance-preserving schedules keep
alpha^2 + sigma^2 = 1, so that data of unit variance keeps it; flow matching draws a straight line.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, "..."]  # one number, or one an image
State = Float[Tensor, "b ..."]  # a batch of images, points or noise
Schedule = Callable[[Tensor], tuple[Tensor, Tensor]]


def flow(t: Scalar) -> tuple[Scalar, Scalar]:
    """The straight line of flow matching: (1 - t, t) (Lipman et al. 2023, eq. 22; Liu et al. 2023, eq. 1).

    Examples
    --------
    >>> flow(torch.tensor(0.25))
    (tensor(0.7500), tensor(0.2500))
    """
    return 1 - t, t


def cosine(t: Scalar) -> tuple[Scalar, Scalar]:
    """(cos, sin) of t pi / 2: a quarter of a circle (Nichol & Dhariwal 2021, eq. 17, without their offset)."""
    return torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)


def linear_beta(t: Scalar, beta_min: float = 0.1, beta_max: float = 20.0) -> tuple[Scalar, Scalar]:
    """The noise rate beta rises linearly: DDPM's schedule in continuous time (Song et al. 2021, eq. 33).

    alpha^2 = exp(-integral of beta from 0 to t); DDPM's 1,000 steps are beta_min / 1000 ... beta_max / 1000.
    """
    integral = beta_min * t + (beta_max - beta_min) * t.square() / 2
    return torch.exp(-integral / 2), torch.sqrt(-torch.expm1(-integral))


def add_noise(x0: State, eps: State, t: Scalar, schedule: Schedule) -> State:
    """The forward process in one jump: x_t = alpha x_0 + sigma eps (Ho et al. 2020, eq. 4).

    Parameters
    ----------
    x0, eps : Tensor, (B, ...)
        Images and standard normal noise of the same shape.
    t : Tensor, () or (B,) in [0, 1]
        One time for all, or one an image.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would mix one image's noise into another.
    """
    if eps.shape != x0.shape:
        raise ValueError(f"noise must have the images' shape {tuple(x0.shape)}, got {tuple(eps.shape)}")
    alpha, sigma = at(schedule, t, x0)
    return alpha * x0 + sigma * eps


def at(schedule: Schedule, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) shaped to multiply `x`: () or (B,) times become () or (B, 1, 1, 1)."""
    if t.shape not in ((), x.shape[:1]):
        raise ValueError(f"t must be one time () or one an image ({len(x)},), got {tuple(t.shape)}")
    alpha, sigma = schedule(t)
    shape = t.shape + (1,) * (x.ndim - 1) if t.ndim else ()
    return alpha.reshape(shape), sigma.reshape(shape)


def log_snr(schedule: Schedule, t: Scalar) -> Scalar:
    """log(alpha^2 / sigma^2), the one number by which two schedules at a time can be compared (Kingma et al. 2021)."""
    alpha, sigma = schedule(t)
    return 2 * (alpha.clamp(min=0).log() - sigma.log())  # in float32, cosine's alpha at t = 1 is rounded to -4e-8
