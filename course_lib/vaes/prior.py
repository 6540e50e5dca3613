"""Where do the latents really lie?

A VAE is trained as if the latents of all images together, drawn from their posteriors, were N(0, 1). They
are near it, in many dimensions never equal to it: between the clusters of shoes and of shirts the prior
still has mass, and what it draws there decodes to neither. The remedy after training is to learn the
prior that the latents have. A mixture of Gaussians, fitted by expectation-maximisation, is enough here:

    E   r_nk = w_k N(z_n; m_k, C_k) / sum_j w_j N(z_n; m_j, C_j)
    M   w_k, m_k, C_k = share, mean and covariance of the z_n, each counted r_nk times

The likelihood of the latents rises with every step. A flow or a transformer may take the mixture's place;
that is what latent diffusion does.

Tomczak & Welling 2018, VAE with a VampPrior (why the best prior is the mixture of all posteriors); Dai &
Wipf 2019, Diagnosing and Enhancing VAE Models (two stages); Bishop 2006, section 9.2.2 (EM).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.device import seeded

LEAST_VARIANCE = 1e-3  # added in every direction, so that no Gaussian collapses onto a few latents


@dataclass(frozen=True, eq=False)
class LatentMixture:
    """K Gaussians in the latent space.

    Parameters
    ----------
    weights : Tensor, (K,)
        They sum to 1.
    means : Tensor, (K, D)
    factors : Tensor, (K, D, D)
        Lower triangular L with L L^T the covariance of each.
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    factors: Float[Tensor, "k d d"]

    def log_joint(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """log w_k N(z; m_k, C_k) of each latent and each Gaussian."""
        off = z[None] - self.means[:, None]  # (K, N, D)
        whitened = torch.linalg.solve_triangular(self.factors, off.mT, upper=False)
        log_volume = self.factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        squared = whitened.square().sum(dim=1).T
        return self.weights.log() - log_volume - (squared + z.shape[1] * math.log(2 * math.pi)) / 2

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), in nats."""
        return self.log_joint(z).logsumexp(dim=1)

    def sample(self, n: int) -> Float[Tensor, "n d"]:
        """Draw latents; `Vae.sample` takes them as its noise."""
        k = torch.multinomial(self.weights, n, replacement=True)
        eps = torch.randn(n, self.means.shape[1], 1, device=self.means.device)
        return self.means[k] + (self.factors[k] @ eps)[..., 0]


def fit_prior(z: Float[Tensor, "n d"], components: int = 20, steps: int = 50, seed: int = 0) -> LatentMixture:
    """Fit a mixture to latents by expectation-maximisation.

    Parameters
    ----------
    z : Tensor, (N, D)
        One draw from the posterior of each image: `reparameterise(*vae.encode(x), noise)`. Means alone lie
        closer together than what the decoder was trained on.
    components : int
        Gaussians. Each has D (D + 3) / 2 numbers to learn and should have many more latents.
    steps : int
    seed : int
        Of the latents around which the Gaussians start.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are too few latents for so many Gaussians.
    """
    if z.ndim != 2 or components < 1 or len(z) < components * z.shape[1]:
        raise ValueError(
            f"{components} Gaussians need latents (N, D), N at least {components} D, else a covariance has nothing to "
            f"be learned from; got {tuple(z.shape)}"
        )
    mixture = _start(z, components, seed)
    for _ in range(steps):
        mixture = maximised(z, mixture.log_joint(z).softmax(dim=1))
    return mixture


def maximised(z: Float[Tensor, "n d"], shares: Float[Tensor, "n k"]) -> LatentMixture:
    """The M step: the mixture that suits latents, of which each Gaussian owns a share."""
    count = shares.sum(dim=0).clamp(min=1e-9)
    means = shares.T @ z / count[:, None]
    off = z[None] - means[:, None]
    covs = (shares.T[..., None] * off).mT @ off / count[:, None, None]
    ridge = LEAST_VARIANCE * torch.eye(z.shape[1], device=z.device, dtype=z.dtype)
    return LatentMixture(count / count.sum(), means, torch.linalg.cholesky(covs + ridge))


def _start(z: Tensor, components: int, seed: int) -> LatentMixture:
    """Each latent belongs to the nearest of a few latents drawn at random."""
    with seeded(seed, z.device):
        centres = z[torch.randperm(len(z), device=z.device)[:components]]
    nearest = torch.cdist(z, centres).argmin(dim=1)
    return maximised(z, torch.nn.functional.one_hot(nearest, components).to(z.dtype))
