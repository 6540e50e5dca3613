"""A prior fitted to latents: EM against what is known."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_lib.vaes.prior import LEAST_VARIANCE, LatentMixture, fit_prior, maximised


def blobs(n: int = 3000) -> torch.Tensor:
    """Three Gaussians far apart, with a half, a third and a sixth of the points."""
    centres = torch.tensor([[-6.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    k = torch.multinomial(torch.tensor([3.0, 2.0, 1.0]), n, replacement=True)
    return centres[k] + torch.randn(n, 2) @ torch.tensor([[1.0, 0.5], [0.0, 0.5]])


def test_one_gaussian_is_the_mean_and_the_covariance():
    z = torch.randn(500, 3) @ torch.randn(3, 3) + 2
    mixture = fit_prior(z, components=1, steps=1)
    assert torch.allclose(mixture.means[0], z.mean(dim=0), atol=1e-5)
    cov = mixture.factors[0] @ mixture.factors[0].T
    assert torch.allclose(cov, z.T.cov(correction=0) + LEAST_VARIANCE * torch.eye(3), atol=1e-4)


def test_densities_are_pytorch_s():
    mixture, z = fit_prior(blobs(), components=2, steps=3), torch.randn(50, 2) * 5
    each = [MultivariateNormal(m, scale_tril=f).log_prob(z) for m, f in zip(mixture.means, mixture.factors)]
    expected = torch.logsumexp(mixture.weights.log() + torch.stack(each, dim=1), dim=1)
    assert torch.allclose(mixture.log_prob(z), expected, atol=1e-3)


def test_every_step_of_em_raises_the_likelihood():
    z = torch.cat([torch.randn(300, 2), 2 * torch.randn(300, 2) + 3]).double()
    likelihoods = [fit_prior(z, components=3, steps=steps).log_prob(z).mean().item() for steps in range(12)]
    assert all(later > earlier - 1e-4 for earlier, later in zip(likelihoods, likelihoods[1:]))  # but for the ridge
    assert likelihoods[-1] > likelihoods[0] + 0.01


def test_em_finds_clusters_that_are_far_apart():
    mixture = fit_prior(blobs(), components=3, steps=60, seed=1)
    order = mixture.weights.argsort(descending=True)
    assert torch.allclose(mixture.weights[order], torch.tensor([1 / 2, 1 / 3, 1 / 6]), atol=0.03)
    assert torch.allclose(mixture.means[order], torch.tensor([[-6.0, 0.0], [6.0, 0.0], [0.0, 8.0]]), atol=0.2)


def test_draws_have_the_mixture_s_moments():
    mixture = LatentMixture(torch.tensor([0.25, 0.75]), torch.tensor([[4.0], [0.0]]), torch.tensor([[[1.0]], [[2.0]]]))
    z = mixture.sample(40_000)
    assert z.mean().item() == pytest.approx(1.0, abs=0.05)
    assert z.var().item() == pytest.approx(0.25 * (1 + 9) + 0.75 * (4 + 1), abs=0.15)


def test_whoever_owns_nothing_still_is_a_gaussian():
    mixture = maximised(torch.randn(10, 2), torch.tensor([[1.0, 0.0]]).expand(10, 2))
    assert mixture.factors.isfinite().all()
    assert mixture.weights[1] < 1e-6


def test_too_few_latents_are_refused():
    with pytest.raises(ValueError, match="Gaussians need latents"):
        fit_prior(torch.randn(50, 8), components=20)
    with pytest.raises(ValueError, match="Gaussians need latents"):
        fit_prior(torch.randn(50, 8), components=0)
