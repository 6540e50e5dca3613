"""Densities of flows, against Gaussians whose density is known and traces that can be counted."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_lib.diffusion import schedules
from course_lib.diffusion.gaussian import Gaussian
from course_lib.diffusion.likelihood import BIN, dequantised, estimated, exact, log_density, of_levels, signs


@pytest.fixture
def known() -> tuple[Gaussian, torch.Tensor, torch.Tensor]:
    """A Gaussian in five dimensions, some of its points, and their log-densities."""
    root = torch.randn(5, 5, dtype=torch.float64) / 2
    mean, cov = torch.randn(5, dtype=torch.float64), root @ root.T + 0.05 * torch.eye(5, dtype=torch.float64)
    normal = MultivariateNormal(mean, cov)
    x = normal.sample((20,))
    return Gaussian(mean, cov), x, normal.log_prob(x)


@pytest.mark.parametrize("schedule", [schedules.flow, schedules.cosine])
def test_density_of_a_gaussian(known, schedule):
    """Chen et al. 2018, eq. 8, on the analytic velocity: within 1e-3 nats, four times nearer for twice the steps."""
    gaussian, x, truth = known
    velocity = gaussian.velocity(schedule)
    error = {steps: (log_density(velocity, x, exact, steps) - truth).abs().max().item() for steps in (64, 128)}
    assert error[128] < 1e-3
    assert 3 < error[64] / error[128] < 5


def test_estimated_divergence_of_a_linear_field_is_right_in_the_mean():
    """Over all 2^5 probes of signs, e^T A e has mean tr A exactly; and `exact` counts tr A."""
    matrix = torch.randn(5, 5, dtype=torch.float64)
    field = lambda x, t: x @ matrix.T
    probes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 5)
    x, t = torch.randn(32, 5, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    v, growth = estimated(probes)(field, x, t)
    trace = matrix.trace().item()
    assert torch.allclose(v, x @ matrix.T, rtol=0, atol=1e-12)
    assert abs(growth.mean().item() - trace) < 1e-12
    assert growth.std() > 0.1
    assert torch.allclose(exact(field, x, t)[1], torch.full((32,), trace, dtype=torch.float64), rtol=0, atol=1e-12)


def test_estimated_density_is_right_in_the_mean(known):
    """The mean over all probes is the density, within 1e-3 nats as with the exact divergence."""
    gaussian, x, truth = known
    probes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 5)
    found = log_density(gaussian.velocity(schedules.flow), x[:1].expand(32, 5), estimated(probes), steps=128)
    assert abs(found.mean() - truth[0]) < 1e-3


def test_signs_have_mean_zero_and_covariance_one():
    probe = signs(torch.zeros(4_000, 3))
    assert set(probe.unique().tolist()) == {-1, 1}
    assert (probe.T @ probe / 4_000 - torch.eye(3)).abs().max() < 0.08  # five standard errors


def test_levels_of_an_even_density_cost_eight_bits():
    """255 bins of width 2/255 fill [-1, 1]; the two halves beyond it make 256: an even density costs log2 256."""
    density = torch.full((3,), -10 * math.log(256 * BIN), dtype=torch.float64)
    assert torch.allclose(
        of_levels(density, 10), torch.full((3,), -10 * math.log(256.0), dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_dequantised_images_stay_in_their_bins():
    levels = torch.arange(256.0).reshape(1, 1, 16, 16) / 127.5 - 1
    for share in (0.001, 0.5, 0.999):
        noise = torch.full_like(levels, share)
        assert torch.equal(
            ((dequantised(levels, noise) + 1) * 127.5).round(), torch.arange(256.0).reshape(1, 1, 16, 16)
        )


def test_what_does_not_fit_is_refused():
    still = lambda x, t: 0 * x
    with pytest.raises(ValueError, match="batch"):
        log_density(still, torch.zeros(3), exact)
    with pytest.raises(ValueError, match="finite"):
        log_density(still, torch.full((1, 2), math.nan), exact)
    with pytest.raises(ValueError, match="at least one step"):
        log_density(still, torch.zeros(1, 2), exact, steps=0)
    with pytest.raises(ValueError, match="probe"):
        log_density(still, torch.zeros(1, 2), estimated(torch.ones(2, 1)))
    with pytest.raises(ValueError, match="noise"):
        dequantised(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 1.5))
