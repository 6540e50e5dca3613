"""Data for which everything is known.

If the data are Gaussian, so is x_t at each time; the mean image given x_t is a linear function, and
the path of the sampler's ODE can be written down. That gives each solver an exact answer to be
measured against, and each posterior too. A mixture of Gaussians (`course_lib.data.points`) keeps the
denoiser in closed form, and has modes to lose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.data.points import Mixture
from course_lib.diffusion.parametrisation import Denoiser, Velocity, rates, x0_from_score
from course_lib.diffusion.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, cov).

    Parameters
    ----------
    mean : Tensor, (D,)
    cov : Tensor, (D, D), symmetric, positive semi-definite
    """

    mean: Tensor
    cov: Tensor

    def __post_init__(self) -> None:
        d = self.mean.numel()
        if self.mean.shape != (d,) or self.cov.shape != (d, d) or not torch.allclose(self.cov, self.cov.T):
            shapes = tuple(self.mean.shape), tuple(self.cov.shape)
            raise ValueError(f"a Gaussian needs a mean (D,) and a symmetric cov (D, D), got {shapes}")

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """E[x_0 | x_t] = mean + alpha cov (alpha^2 cov + sigma^2)^-1 (x_t - alpha mean)."""
        values, vectors = torch.linalg.eigh(self.cov)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma = schedule(t)
            gain = alpha * values / (alpha**2 * values + sigma**2)
            return self.mean + (x - alpha * self.mean) @ vectors * gain @ vectors.T

        return denoise

    def velocity(self, schedule: Schedule) -> Velocity:
        """dx/dt of the sampler's ODE, finite at both ends: each standard deviation grows as x_t's does."""
        values, vectors = torch.linalg.eigh(self.cov)

        def field(x: Tensor, t: Tensor) -> Tensor:
            (alpha, sigma), (d_alpha, d_sigma) = schedule(t), rates(schedule)(t)
            growth = (alpha * d_alpha * values + sigma * d_sigma) / (alpha**2 * values + sigma**2)
            return d_alpha * self.mean + (x - alpha * self.mean) @ vectors * growth @ vectors.T

        return field

    def transport(self, x: Tensor, schedule: Schedule, t: Tensor, s: Tensor) -> Tensor:
        """Where the ODE carries x_t by time s, exactly: the same number of standard deviations off the mean."""
        values, vectors = torch.linalg.eigh(self.cov)
        (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
        ratio = torch.sqrt((alpha_s**2 * values + sigma_s**2) / (alpha_t**2 * values + sigma_t**2))
        return alpha_s * self.mean + (x - alpha_t * self.mean) @ vectors * ratio @ vectors.T

    def posterior(self, operator: Tensor, y: Tensor, noise: float) -> "Gaussian":
        """p(x_0 | y) for a measurement y = operator x_0 + noise n, by Gaussian conditioning."""
        residual = operator @ self.cov @ operator.T + noise**2 * torch.eye(len(operator), dtype=self.cov.dtype)
        gain = torch.linalg.solve(residual, operator @ self.cov).T
        cov = self.cov - gain @ operator @ self.cov
        return Gaussian(self.mean + gain @ (y - operator @ self.mean), (cov + cov.T) / 2)


def mixture_denoiser(mixture: Mixture, schedule: Schedule) -> Denoiser:
    """E[x_0 | x_t] for a mixture of Gaussians: x_t is one too, and Tweedie's formula needs only its score."""

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        score = mixture.noised(float(alpha), float(sigma)).score(x)
        return x0_from_score(x, score, alpha, sigma)

    return denoise
