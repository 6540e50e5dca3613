"""Data for which everything is known.

If the data are Gaussian, so is x_t at each time; the mean image given x_t is a linear function, and
the path of the sampler's ODE can be written down. That gives each solver an exact answer to be
measured against, and each posterior too. A mixture of Gaussians keeps the denoiser in closed form, and has modes
to lose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.diffusion.parametrisation import Denoiser, Velocity, rates
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


@dataclass(frozen=True, eq=False)
class Mixture:
    """Round Gaussians of one width, equally likely.

    Parameters
    ----------
    means : Tensor, (K, D)
    std : float
    """

    means: Tensor
    std: float

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """E[x_0 | x_t]: each component's linear answer, weighted by how likely it made x_t."""

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma = schedule(t)
            total = alpha**2 * self.std**2 + sigma**2
            offset = x[:, None] - alpha * self.means  # (B, K, D)
            belongs = torch.softmax(-offset.square().sum(-1) / (2 * total), dim=1)
            return (belongs[..., None] * (self.means + alpha * self.std**2 / total * offset)).sum(1)

        return denoise

    def sample(self, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Points (n, D) and the component of each (n,)."""
        rng = torch.Generator().manual_seed(seed)
        y = torch.randint(len(self.means), (n,), generator=rng)
        return self.means[y] + self.std * torch.randn(n, self.means.shape[1], generator=rng), y
