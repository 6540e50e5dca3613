"""Gaussians and bounds: each formula against a known answer."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from course_lib.vaes import bounds, gaussian


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def spread(mean: torch.Tensor, log_variance: torch.Tensor) -> Normal:
    return Normal(mean, (log_variance / 2).exp())


def test_log_densities_are_those_of_torch_distributions():
    z, mean, log_variance = normal(7, 5, 3), normal(5, 3), normal(5, 3)
    known = Independent(spread(mean, log_variance), 1).log_prob(z)
    assert torch.allclose(gaussian.log_density(z, mean, log_variance), known, atol=1e-12)
    known = Independent(Normal(torch.zeros_like(z), 1.0), 1).log_prob(z)
    assert torch.allclose(gaussian.log_prior(z), known, atol=1e-12)


def test_divergences_are_those_of_torch_distributions():
    q, p = (normal(50, 4), normal(50, 4)), (normal(50, 4), normal(50, 4))
    assert torch.allclose(gaussian.kl(*q, *p), kl_divergence(spread(*q), spread(*p)), atol=1e-11)
    prior = Normal(torch.zeros_like(q[0]), 1.0)
    assert torch.allclose(gaussian.kl_to_prior(*q), kl_divergence(spread(*q), prior), atol=1e-12)


def test_the_divergence_is_the_mean_of_the_log_ratio_under_q():
    q = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[-0.8]], dtype=torch.float64)
    p = torch.tensor([[-0.2]], dtype=torch.float64), torch.tensor([[0.3]], dtype=torch.float64)
    z = gaussian.reparameterise(*q, normal(400_000, 1, 1))
    ratio = gaussian.log_density(z, *q) - gaussian.log_density(z, *p)
    assert float(ratio.mean()) == pytest.approx(float(gaussian.kl(*q, *p)), abs=5e-3)  # five standard errors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_divergence_is_never_negative_and_zero_only_between_equals(dtype):
    mean, log_variance = torch.randn(10_000, 2, dtype=dtype), torch.randn(10_000, 2, dtype=dtype)
    assert (gaussian.kl(mean, log_variance, mean, log_variance) == 0).all()
    assert (gaussian.kl_to_prior(torch.zeros_like(mean), torch.zeros_like(mean)) == 0).all()
    assert (gaussian.kl_to_prior(mean, log_variance) > 0).all()
    assert (gaussian.kl(mean + 0.1, log_variance, mean, log_variance) > 0).all()
    assert (gaussian.kl(mean, log_variance + 0.1, mean, log_variance) > 0).all()
    tiny = torch.logspace(-8, 0, 200, dtype=dtype)[:, None]
    assert (gaussian.kl_to_prior(torch.zeros_like(tiny), tiny) >= 0).all()


def test_samples_have_the_stated_mean_and_variance_and_pass_gradients():
    mean = torch.tensor([[0.5, -2.0]], dtype=torch.float64, requires_grad=True)
    log_variance = torch.tensor([[0.0, -1.0]], dtype=torch.float64, requires_grad=True)
    noise = normal(200_000, 1, 2)
    z = gaussian.reparameterise(mean, log_variance, noise)
    assert torch.allclose(z.mean(0), mean, atol=1.2e-2)  # five standard errors
    assert torch.allclose(z.var(0), log_variance.exp(), atol=1.6e-2)
    by_mean, by_log_variance = torch.autograd.grad(z[0].sum(), [mean, log_variance])
    assert torch.equal(by_mean, torch.ones_like(mean))
    assert torch.allclose(by_log_variance, noise[0] * (log_variance / 2).exp() / 2, atol=1e-12)


def test_shapes_that_would_share_one_draw_among_images_are_refused():
    with pytest.raises(ValueError, match="noise must be"):
        gaussian.reparameterise(normal(3, 2), normal(3, 2), normal(1, 2))
    with pytest.raises(ValueError, match="equal shapes, got mean"):
        gaussian.reparameterise(normal(3, 2), normal(3, 1), normal(3, 2))
    with pytest.raises(ValueError, match="z must be"):
        gaussian.log_density(normal(3, 1), normal(3, 2), normal(3, 2))
    with pytest.raises(ValueError, match="equal shapes"):
        gaussian.kl(normal(3, 2), normal(3, 2), normal(2), normal(2))


# One dimension in which all is known: z ~ N(0, 1), x | z ~ N(2 z, 0.5^2), so x ~ N(0, 2^2 + 0.5^2).
WEIGHT, NOISE = 2.0, 0.5
X = torch.tensor([[0.3], [-1.0], [4.0]], dtype=torch.float64)


def likelihood(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return Normal(WEIGHT * z, NOISE).log_prob(x).sum(-1)


def exact(x: torch.Tensor) -> torch.Tensor:
    return Normal(0.0, math.hypot(WEIGHT, NOISE)).log_prob(x).sum(-1)


def posterior(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    precision = 1 + (WEIGHT / NOISE) ** 2
    return x * WEIGHT / NOISE**2 / precision, torch.full_like(x, -math.log(precision))


def rough(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An encoder that is somewhat off: twice as wide as the posterior, and not quite in its place."""
    mean, log_variance = posterior(x)
    return mean + 0.2, log_variance + 2 * math.log(2)


def test_with_the_posterior_for_q_every_weight_is_p_of_x():
    weights = bounds.log_weights(X, posterior, likelihood, normal(6, 3, 1))
    assert torch.allclose(weights, exact(X).expand(6, 3), atol=1e-12)
    assert torch.allclose(bounds.elbo(weights), exact(X), atol=1e-12)
    assert torch.allclose(bounds.iwae(weights), exact(X), atol=1e-12)
    assert torch.allclose(bounds.effective_samples(weights), torch.full((3,), 6.0, dtype=torch.float64), atol=1e-9)


def test_the_elbo_falls_short_by_the_divergence_from_the_posterior():
    weights = bounds.log_weights(X, rough, likelihood, normal(200_000, 3, 1))
    gap = gaussian.kl(*rough(X), *posterior(X)).sum(-1)
    assert torch.allclose(exact(X) - bounds.elbo(weights), gap, atol=3e-2)  # five standard errors


def test_theorem_1_of_burda_more_samples_never_loosen_the_bound():
    """E[L_1] <= E[L_5] <= E[L_50] <= log p(x), on the same 200,000 draws, by more than their standard errors."""
    draws = bounds.log_weights(X, rough, likelihood, normal(200_000, 3, 1))
    levels = [bounds.iwae(draws.view(k, -1)).view(-1, 3).mean(0) for k in (1, 5, 50)]
    for loose, tight, least in zip(levels, [*levels[1:], exact(X)], [0.3, 0.05, 0.0]):
        assert (tight - loose > least).all()
    assert torch.allclose(bounds.iwae(draws), exact(X), atol=1e-2)


def test_weights_are_averaged_and_counted():
    weights = torch.tensor([[1.0, 2.0], [3.0, 2.0]]).log()
    assert torch.allclose(bounds.elbo(weights), torch.tensor([math.log(3) / 2, math.log(2)]), atol=1e-6)
    assert torch.allclose(bounds.iwae(weights), torch.tensor([2.0, 2.0]).log(), atol=1e-6)
    assert torch.allclose(bounds.effective_samples(weights), torch.tensor([16 / 10, 2.0]), atol=1e-5)


def test_weights_of_images_do_not_underflow():
    weights = torch.tensor([[-5000.0], [-5001.0]])
    assert float(bounds.iwae(weights)) == pytest.approx(-5000 + math.log((1 + math.exp(-1)) / 2), abs=1e-3)
    assert 1 < float(bounds.effective_samples(weights)) < 2


def test_the_objective_is_the_negative_elbo_at_beta_one():
    distortion, kl = torch.tensor([3.0, 5.0]), torch.tensor([[1.0, 0.0], [2.0, 0.2]])
    assert float(bounds.objective(distortion, kl, 1.0, 0.0)) == pytest.approx(4 + 1.5 + 0.1, abs=1e-6)
    assert float(bounds.objective(distortion, kl, 4.0, 0.0)) == pytest.approx(4 + 4 * 1.6, abs=1e-6)
    assert float(bounds.objective(distortion, kl, 1.0, 0.5)) == pytest.approx(4 + 1.5 + 0.5, abs=1e-6)


def test_a_dimension_below_the_free_bits_feels_no_pressure():
    kl = torch.tensor([[1.0, 0.0], [2.0, 0.2]], requires_grad=True)
    bounds.objective(torch.zeros(2), kl, 1.0, 0.5).backward()
    assert torch.equal(kl.grad, torch.tensor([[0.5, 0.0], [0.5, 0.0]]))


def test_uniform_pixels_cost_eight_bits():
    images = torch.full((3,), -784 * math.log(256))
    assert torch.allclose(bounds.bits_per_dimension(images, 784), torch.full((3,), 8.0), atol=1e-5)


def test_active_dimensions_are_those_whose_mean_moves():
    means = torch.stack([torch.randn(500), torch.full((500,), 3.0), 0.01 * torch.randn(500)], 1)
    assert bounds.active(means).tolist() == [True, False, False]


def test_bounds_refuse_what_does_not_fit():
    for bound in (bounds.elbo, bounds.iwae, bounds.effective_samples):
        with pytest.raises(ValueError, match="k >= 1 draws"):
            bound(torch.zeros(3))
    with pytest.raises(ValueError, match="not yet summed"):
        bounds.objective(torch.zeros(3), torch.zeros(3), 1.0, 0.0)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        bounds.objective(torch.zeros(3), torch.zeros(3, 2), -1.0, 0.0)
    with pytest.raises(ValueError, match="at least one dimension"):
        bounds.bits_per_dimension(torch.zeros(3), 0)
    with pytest.raises(ValueError, match="at least two images"):
        bounds.active(torch.zeros(1, 2))
