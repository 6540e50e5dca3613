"""Edits keep what is known, and are exact where the posterior is."""

import pytest
import torch

from course_lib.diffusion.editing import conditioned, downscaling, masking, repaint, sdedit
from course_lib.diffusion.gaussian import Gaussian
from course_lib.diffusion.samplers import ddim
from course_lib.diffusion.schedules import cosine, flow
from course_lib.diffusion.solvers import times
from course_lib.model import last

MASK = torch.zeros(4, 4, dtype=torch.bool)
MASK[:, :2] = True


def standard_normal_denoiser(schedule):
    """E[x_0 | x_t] for data N(0, 1)."""

    def denoise(x, t):
        alpha, sigma = schedule(t)
        return alpha * x / (alpha**2 + sigma**2)

    return denoise


@pytest.mark.parametrize("seen", [masking(MASK), downscaling(2)])
def test_measurements_are_what_they_say(seen):
    x = torch.randn(3, 1, 4, 4)
    y = seen.forward(x)
    assert torch.allclose(seen.forward(seen.pseudo_inverse(y)), y, atol=1e-6)  # A A+ = 1 on measurements
    projected = seen.pseudo_inverse(y)
    assert torch.allclose(seen.pseudo_inverse(seen.forward(projected)), projected, atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("seen", [masking(MASK), downscaling(2)])
def test_conditioning_is_exact_for_standard_normal_data(seen, noise):
    """Against Gaussian conditioning of x_0 on x_t and y together, with A written out as a matrix."""
    x_t, y = torch.randn(1, 1, 4, 4).double(), torch.randn(1, 1, 4, 4).double()
    y = seen.forward(y)
    t = torch.tensor(0.6, dtype=torch.float64)
    alpha, sigma = cosine(t)
    a = torch.stack([seen.forward(e.view(1, 1, 4, 4)).flatten() for e in torch.eye(16, dtype=torch.float64)], dim=1)
    y_flat, keep = y.flatten(), a.abs().sum(1) > 0
    prior = Gaussian(torch.zeros(16, dtype=torch.float64), torch.eye(16, dtype=torch.float64))
    given_x_t = prior.posterior(alpha * torch.eye(16, dtype=torch.float64), x_t.flatten(), float(sigma))
    exact = given_x_t.posterior(a[keep], y_flat[keep], noise).mean
    ours = conditioned(standard_normal_denoiser(cosine), y, seen, cosine, noise)(x_t, t)
    assert torch.allclose(ours.flatten(), exact, atol=1e-9)


@pytest.mark.parametrize("seen", [masking(MASK), downscaling(2)])
def test_without_noise_the_result_measures_what_was_measured(seen):
    truth, noise = torch.rand(5, 1, 4, 4), torch.randn(5, 1, 4, 4)
    y = seen.forward(truth)
    drawn = last(ddim(conditioned(standard_normal_denoiser(flow), y, seen, flow), noise, flow, times(10)))
    assert torch.allclose(seen.forward(drawn), y, atol=1e-5)


def test_repaint_keeps_the_known_pixels_exactly():
    known, noise = torch.rand(5, 1, 4, 4), torch.randn(5, 1, 4, 4)
    noises = iter([noise] * 11)
    drawn = last(repaint(standard_normal_denoiser(flow), known, MASK, flow, times(10), noises))
    assert torch.allclose(drawn[..., MASK], known[..., MASK], atol=1e-6)
    assert not torch.allclose(drawn[..., ~MASK], known[..., ~MASK], atol=1e-2)


def test_repaint_keeps_no_graph_of_its_steps():
    weight = torch.ones((), requires_grad=True)
    noises = iter(torch.randn(4, 2, 1, 4, 4))
    drawn = last(repaint(lambda x, t: weight * x, torch.zeros(2, 1, 4, 4), MASK, flow, times(3), noises))
    assert not drawn.requires_grad


def test_sdedit_of_no_strength_returns_the_guide():
    guide, eps = torch.rand(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    faint = times(4, start=1e-4)
    assert torch.allclose(last(sdedit(standard_normal_denoiser(flow), guide, ddim, flow, faint, eps)), guide, atol=1e-3)


def test_sdedit_of_full_strength_forgets_the_guide():
    eps = torch.randn(2, 1, 4, 4)
    a, b = (
        last(sdedit(standard_normal_denoiser(flow), torch.full((2, 1, 4, 4), c), ddim, flow, times(4), eps))
        for c in (-1.0, 1.0)
    )
    assert torch.allclose(a, b, atol=1e-6)


def test_bad_measurements_are_refused():
    with pytest.raises(ValueError, match="mask must be bool"):
        masking(torch.ones(4, 4))
    with pytest.raises(ValueError, match="factor"):
        downscaling(0)
    with pytest.raises(ValueError, match="standard deviation"):
        conditioned(standard_normal_denoiser(flow), torch.zeros(1), masking(MASK), flow, noise=-1.0)


def test_the_posterior_of_a_gaussian_by_hand():
    prior = Gaussian(torch.tensor([0.0]).double(), torch.tensor([[4.0]]).double())
    post = prior.posterior(torch.tensor([[1.0]]).double(), torch.tensor([3.0]).double(), noise=1.0)
    assert float(post.mean) == pytest.approx(3 * 4 / 5, abs=1e-12)
    assert float(post.cov) == pytest.approx(4 / 5, abs=1e-12)
