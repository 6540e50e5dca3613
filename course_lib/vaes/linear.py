"""A VAE that can be solved on paper.

Let the decoder be linear, x = W z + mean + noise. Then p(x) is a Gaussian, its best W and noise are known
(probabilistic PCA: the principal directions, each as long as its variance exceeds the noise), and the
posterior is a Gaussian that a linear encoder can give. So the ELBO of a linear VAE is exact at its optimum,
and what is often blamed on the bound can be seen without it: a direction in which the data vary less than
the noise is not worth its rate. Its column of W is 0, its posterior the prior; it has collapsed.

Tipping & Bishop 1999, Probabilistic Principal Component Analysis; Lucas et al. 2019, Don't Blame the ELBO!
The encoder has one variance for all data, as the posterior has.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.vaes.gaussian import kl_to_prior


@dataclass(frozen=True, eq=False)
class ProbabilisticPca:
    """x = weight z + mean + noise, with z ~ N(0, 1) and noise of one variance in all dimensions.

    Parameters
    ----------
    mean : Tensor, (D,)
    weight : Tensor, (D, L)
        Orthogonal columns, the longest first; those not worth their rate are 0.
    variance : float
        Of the noise.
    """

    mean: Tensor
    weight: Tensor
    variance: float

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x) of each row, exactly: (N, D) -> (N,), in nats."""
        return _log_marginal(x, self.mean, self.weight, self.variance)

    def posterior(self) -> tuple[Tensor, Tensor]:
        """p(z | x) as (V, variances): its mean is V (x - mean), its covariance diagonal, (L, D) and (L,)."""
        variances = self.variance / (self.weight.square().sum(0) + self.variance)
        return variances[:, None] * self.weight.T / self.variance, variances


def probabilistic_pca(x: Tensor, latent: int, variance: float | None = None) -> ProbabilisticPca:
    """The likeliest linear model, in closed form (Tipping & Bishop 1999, eqs. 7 and 8).

    Parameters
    ----------
    x : Tensor, (N, D)
    latent : int
        1 to D - 1.
    variance : float, optional
        Of the noise. Without it the likeliest, the mean variance in the directions that are left out. With
        a larger one, directions that vary less than it collapse.

    Raises
    ------
    ValueError
        If x is no set of at least two points, latent does not leave a direction to the noise, or there is no noise.
    """
    if x.ndim != 2 or len(x) < 2 or not 1 <= latent < x.shape[1]:
        raise ValueError(f"need points (N, D) and 1 <= latent < D, got {tuple(x.shape)} and {latent}")
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, vectors = values.flip(0), vectors.flip(1)
    variance = float(values[latent:].mean()) if variance is None else variance
    if variance <= 0:
        raise ValueError(f"the noise needs a variance above 0, got {variance}: do the points fill fewer dimensions?")
    lengths = (values[:latent] - variance).clamp(min=0).sqrt()
    return ProbabilisticPca(x.mean(0), vectors[:, :latent] * lengths, variance)


class LinearVae(Model):
    """Linear encoder, linear decoder, over vectors; its ELBO needs no sampling.

    Parameters
    ----------
    dimensions, latent : int
        D and L.
    variance : float, optional
        Of the noise, above 0; learned if not given.

    Attributes
    ----------
    weight : Parameter, (D, L)
        The decoder's W.
    mean : Parameter, (D,)
    log_noise : Parameter or buffer, ()
        Log-variance of the noise.
    encoder : Parameter, (L, D)
        V.
    log_variance : Parameter, (L,)
        Of the encoder, the same for all data.
    """

    def __init__(self, dimensions: int = 8, latent: int = 2, variance: float | None = None) -> None:
        if variance is not None and variance <= 0:
            raise ValueError(f"the noise needs a variance above 0, got {variance}")
        super().__init__(dimensions=dimensions, latent=latent, variance=variance)
        self.weight = nn.Parameter(torch.randn(dimensions, latent) / math.sqrt(dimensions))
        self.mean = nn.Parameter(torch.zeros(dimensions))
        if variance is None:
            self.log_noise = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_noise", torch.tensor(math.log(variance)))
        self.encoder = nn.Parameter(torch.randn(latent, dimensions) / math.sqrt(dimensions))
        self.log_variance = nn.Parameter(torch.zeros(latent))

    @classmethod
    def solved(cls, pca: ProbabilisticPca) -> "LinearVae":
        """The VAE at its global optimum: decoder and posterior of probabilistic PCA."""
        vae, (encoder, variances) = cls(*pca.weight.shape), pca.posterior()
        known = pca.weight, pca.mean, pca.weight.new_tensor(pca.variance).log(), encoder, variances.log()
        for parameter, value in zip((vae.weight, vae.mean, vae.log_noise, vae.encoder, vae.log_variance), known):
            parameter.data = value.clone()
        return vae

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x): x (B, D) -> mean and log-variance, each (B, L)."""
        mean = (x - self.mean) @ self.encoder.T
        return mean, self.log_variance.expand_as(mean)

    def decode(self, z: Tensor) -> Tensor:
        """E[x | z]: z (..., L) -> (..., D)."""
        return z @ self.weight.T + self.mean

    def distortion(self, x: Tensor) -> Tensor:
        """E_q[-log p(x | z)] of each row, exactly: (B,), in nats."""
        mean, log_variance = self.encode(x)
        error = (x - self.decode(mean)).square().sum(1)
        wobble = log_variance.exp() @ self.weight.square().sum(0)  # the draw about its mean, seen through W
        return (x.shape[1] * (math.log(2 * math.pi) + self.log_noise) + (error + wobble) * (-self.log_noise).exp()) / 2

    def elbo(self, x: Tensor) -> Tensor:
        """The bound of log p(x) for each row, exactly: (B,), in nats."""
        return -self.distortion(x) - kl_to_prior(*self.encode(x)).sum(1)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x) of each row under the decoder, exactly: what the ELBO bounds."""
        return _log_marginal(x, self.mean, self.weight, self.log_noise.exp())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The negative ELBO, and its two parts."""
        with torch.autocast(batch.x.device.type, enabled=False):  # it is compared with exact numbers
            distortion = self.distortion(batch.x).mean()
            rate = kl_to_prior(*self.encode(batch.x)).sum(1).mean()
        return {"loss": distortion + rate, "rate": rate, "distortion": distortion}

    @torch.no_grad()
    def sample(self, n: int) -> Iterator[Tensor]:
        """n points (n, D): a latent from the prior, decoded, and the noise."""
        means = self.decode(torch.randn(n, self.config["latent"]).to(self.weight))
        yield means + torch.exp(self.log_noise / 2) * torch.randn_like(means)


def _log_marginal(x: Tensor, mean: Tensor, weight: Tensor, variance: float | Tensor) -> Tensor:
    # x = W z + mean + noise is a sum of Gaussians (Tipping & Bishop 1999, section 3.1).
    noise = variance * torch.eye(len(mean)).to(mean)
    return MultivariateNormal(mean, weight @ weight.T + noise).log_prob(x)
