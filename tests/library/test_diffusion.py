"""Schedules, parametrisations, guidance, known data: each formula against a known answer."""

import math

import pytest
import torch

from course_lib.data.points import Mixture
from course_lib.diffusion import parametrisation as p
from course_lib.diffusion.edm import SIGMA_DATA, karras, preconditioning, time_of
from course_lib.diffusion.gaussian import Gaussian, mixture_denoiser
from course_lib.diffusion.guidance import guided, guided_within
from course_lib.diffusion.ideal import ideal_denoiser, weights
from course_lib.diffusion.schedules import add_noise, at, cosine, flow, linear_beta, log_snr

T = torch.linspace(0.01, 0.99, 25, dtype=torch.float64)
SCHEDULES = [flow, cosine, linear_beta, karras]


@pytest.fixture
def known() -> Gaussian:
    factor = torch.tensor([[1.0, 0.3], [0.0, 0.6]], dtype=torch.float64)
    return Gaussian(torch.tensor([0.5, -1.0], dtype=torch.float64), factor @ factor.T)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("schedule", [flow, cosine, linear_beta])
def test_schedules_start_at_the_data_and_end_in_noise(schedule):
    alpha, sigma = schedule(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert torch.allclose(alpha, torch.tensor([1.0, 0.0], dtype=torch.float64), atol=7e-3)
    assert torch.allclose(sigma, torch.tensor([0.0, 1.0], dtype=torch.float64), atol=1e-4)


@pytest.mark.parametrize("schedule", [cosine, linear_beta])
def test_variance_preserving_schedules_preserve_variance(schedule):
    alpha, sigma = schedule(T)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones_like(T), atol=1e-12)


def test_linear_beta_is_the_limit_of_the_product_over_a_thousand_steps():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    assert float(linear_beta(torch.tensor(0.5, dtype=torch.float64))[0] ** 2) == pytest.approx(
        float((1 - betas[:500]).prod()), abs=2e-3
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_only_ever_grows(schedule):
    assert (log_snr(schedule, T).diff() < 0).all()


def test_noising_has_the_stated_mean_and_variance():
    x0 = torch.full((200_000,), 0.5, dtype=torch.float64)
    x_t = add_noise(x0, normal(200_000), torch.tensor(0.3, dtype=torch.float64), cosine)
    alpha, sigma = (float(c) for c in cosine(torch.tensor(0.3, dtype=torch.float64)))
    assert float(x_t.mean()) == pytest.approx(0.5 * alpha, abs=5e-3)  # five standard errors
    assert float(x_t.std()) == pytest.approx(sigma, abs=5e-3)


def test_each_image_gets_its_own_time():
    x0, eps, t = normal(3, 2, 4, 4), normal(3, 2, 4, 4), torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    together = add_noise(x0, eps, t, flow)
    for i in range(3):
        assert torch.allclose(together[i], (1 - t[i]) * x0[i] + t[i] * eps[i], atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (3, 1, 4, 1), (3,)])
def test_noise_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="noise must have"):
        add_noise(normal(3, 1, 4, 4), normal(*shape), torch.tensor(0.5), flow)


def test_times_that_would_broadcast_over_pixels_are_refused():
    with pytest.raises(ValueError, match="t must be one time"):
        add_noise(normal(3, 1, 4, 4), normal(3, 1, 4, 4), torch.rand(4), flow)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_parametrisations_round_trip(schedule):
    x0, eps = normal(25, 1, 4, 4), normal(25, 1, 4, 4)
    x_t = add_noise(x0, eps, T, schedule)
    alpha, sigma = at(schedule, T, x_t)
    rounds = {
        "eps": p.x0_from_eps(x_t, p.eps_from_x0(x_t, x0, alpha, sigma), alpha, sigma),
        "v": p.x0_from_v(x_t, p.v_from_x0(x_t, x0, alpha, sigma), alpha, sigma),
        "score": p.x0_from_score(x_t, p.score_from_x0(x_t, x0, alpha, sigma), alpha, sigma),
        "velocity": p.x0_from_velocity(x_t, p.velocity_from_x0(x_t, x0, T, schedule), T, schedule),
    }
    for name, result in rounds.items():
        assert torch.allclose(result, x0, atol=1e-9), name
    assert torch.allclose(p.eps_from_x0(x_t, x0, alpha, sigma), eps, atol=1e-9)


def test_round_trips_hold_to_1e_5_in_single_precision_too():
    x0, eps, t = torch.randn(25, 1, 4, 4), torch.randn(25, 1, 4, 4), torch.linspace(0.05, 0.9, 25)
    x_t = add_noise(x0, eps, t, cosine)
    alpha, sigma = at(cosine, t, x_t)
    for there, back in [(p.eps_from_x0, p.x0_from_eps), (p.v_from_x0, p.x0_from_v), (p.score_from_x0, p.x0_from_score)]:
        assert torch.allclose(back(x_t, there(x_t, x0, alpha, sigma), alpha, sigma), x0, atol=1e-5)


def test_on_the_straight_line_the_velocity_is_noise_minus_image():
    x0, eps = normal(25, 3), normal(25, 3)
    assert torch.allclose(p.velocity_from_x0(add_noise(x0, eps, T, flow), x0, T, flow), eps - x0, atol=1e-9)


def test_on_a_circle_velocity_is_v_times_its_angular_speed():
    x0, eps = normal(25, 3), normal(25, 3)
    x_t = add_noise(x0, eps, T, cosine)
    alpha, sigma = at(cosine, T, x_t)
    v = p.v_from_x0(x_t, x0, alpha, sigma)
    assert torch.allclose(p.velocity_from_x0(x_t, x0, T, cosine), math.pi / 2 * v, atol=1e-9)


@pytest.mark.parametrize("schedule", [flow, cosine, linear_beta, karras])
def test_tweedie_score_is_the_gradient_of_the_log_density(schedule, known):
    x, t = normal(7, 2).requires_grad_(), torch.tensor(0.4, dtype=torch.float64)
    alpha, sigma = schedule(t)
    cov = alpha**2 * known.cov + sigma**2 * torch.eye(2, dtype=torch.float64)
    log_p = torch.distributions.MultivariateNormal(alpha * known.mean, cov).log_prob(x).sum()
    expected = torch.autograd.grad(log_p, x)[0]
    score = p.score_from_x0(x, known.denoiser(schedule)(x, t), alpha, sigma)
    assert torch.allclose(score, expected, atol=1e-9)


def test_a_denoiser_moves_between_schedules_without_a_change(known):
    moved = p.on_schedule(known.denoiser(flow), flow, cosine)
    x, t = normal(9, 2), torch.tensor(0.37, dtype=torch.float64)
    assert torch.allclose(moved(x, t), known.denoiser(cosine)(x, t), atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("wanted", [flow, cosine])
def test_pure_noise_is_pure_noise_on_every_schedule(wanted, dtype):
    one, asked = torch.ones((), dtype=dtype), []
    moved = p.on_schedule(lambda x, t: asked.append(t) or x, flow, wanted)
    moved(torch.ones(1, 2, dtype=dtype), one)
    assert float(asked[0]) == pytest.approx(1, abs=1e-6)
    assert float(log_snr(wanted, one)) < -33


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_time_of_ratio_inverts_the_schedule(schedule):
    alpha, sigma = schedule(T)
    assert torch.allclose(p.time_of_ratio(schedule, sigma / alpha), T, atol=1e-9)


@pytest.mark.parametrize("schedule", [flow, cosine, karras])
def test_gaussian_velocity_agrees_with_its_denoiser(schedule, known):
    x, t = normal(9, 2), torch.tensor(0.6, dtype=torch.float64)
    through = p.velocity(known.denoiser(schedule), schedule)(x, t)
    assert torch.allclose(known.velocity(schedule)(x, t), through, atol=1e-9)
    assert torch.allclose(
        p.denoiser(known.velocity(schedule), schedule)(x, t), known.denoiser(schedule)(x, t), atol=1e-9
    )


def test_gaussian_transport_maps_noise_to_the_data_distribution(known):
    zero, one = torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    x = known.transport(normal(200_000, 2), flow, one, zero)
    assert torch.allclose(x.mean(0), known.mean, atol=0.015)
    assert torch.allclose(x.T.cov(), known.cov, atol=0.02)


def test_a_mixture_of_one_is_a_gaussian():
    one = Mixture(torch.tensor([[0.5, -1.0]], dtype=torch.float64), 0.3)
    same = Gaussian(one.means[0], 0.09 * torch.eye(2, dtype=torch.float64))
    x, t = normal(9, 2), torch.tensor(0.6, dtype=torch.float64)
    assert torch.allclose(mixture_denoiser(one, flow)(x, t), same.denoiser(flow)(x, t), atol=1e-12)


def test_a_mixture_s_denoiser_is_the_mean_given_x_t():
    mixture = Mixture(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), 0.2)
    x, t, s = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64), 0.2
    grid = torch.linspace(-3, 3, 20_001, dtype=torch.float64)  # numerical integration of p(x_0) p(x_t | x_0)
    prior = sum(torch.exp(-((grid - m) ** 2) / (2 * s**2)) for m in (-1, 1))
    mass = prior * torch.exp(-((x[0] - 0.5 * grid) ** 2) / (2 * 0.25))
    expected = (grid * mass).sum() / mass.sum()
    assert float(mixture_denoiser(mixture, flow)(x, t)) == pytest.approx(float(expected), abs=1e-6)


def test_the_ideal_denoiser_of_two_points_by_hand():
    images, x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.tensor([[0.2]], dtype=torch.float64)
    t = torch.tensor(0.5, dtype=torch.float64)
    # alpha = sigma = 1/2: the log odds are 2 x alpha / sigma^2 = 4 x, and the mean is tanh(2 x)
    assert float(ideal_denoiser(images, flow)(x, t)) == pytest.approx(math.tanh(2 * 0.2), abs=1e-12)


def test_without_noise_the_ideal_denoiser_answers_with_the_nearest_image():
    images = torch.tensor([[0.0, 0.0], [10.0, 10.0]])
    clean = ideal_denoiser(images, flow)(torch.tensor([[3.0, 3.0], [7.0, 6.0]]), torch.tensor(0.0))
    assert torch.equal(clean, images)


def test_the_ideal_denoiser_s_weights_are_a_distribution_that_sharpens():
    images, x = normal(50, 1, 4, 4), normal(6, 1, 4, 4)
    spread = [weights(x, images, *flow(torch.tensor(t, dtype=torch.float64))) for t in (0.05, 0.5, 0.999)]
    assert all(torch.allclose(w.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-12) for w in spread)
    assert spread[0].amax() > spread[2].amax()
    assert torch.allclose(spread[2], torch.full((6, 50), 0.02, dtype=torch.float64), atol=5e-3)


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="must hold images"):
        ideal_denoiser(normal(5, 1, 4, 4), flow)(normal(2, 1, 8, 8), torch.tensor(0.5))


def test_guidance_at_scale_one_is_the_conditional_model_itself():
    conditional, free = (lambda x, t: 2 * x), (lambda x, t: x / 0)
    assert guided(conditional, free, 1.0) is conditional


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 7.5])
def test_guidance_is_linear_in_its_scale(scale):
    a, b, x = normal(3, 1, 4, 4), normal(3, 1, 4, 4), normal(3, 1, 4, 4)
    result = guided(lambda x, t: a, lambda x, t: b, scale)(x, torch.tensor(0.5))
    assert torch.allclose(result, b + scale * (a - b), atol=1e-12)


def test_guidance_within_an_interval_leaves_the_rest_alone():
    within = guided_within(lambda x, t: x, lambda x, t: 0 * x, 3.0, 0.2, 0.6)
    x = torch.ones(2)
    assert torch.equal(within(x, torch.tensor(0.4)), 3 * x)
    assert torch.equal(within(x, torch.tensor(0.9)), x)
    with pytest.raises(ValueError, match="low <= high"):
        guided_within(lambda x, t: x, lambda x, t: x, 3.0, 0.6, 0.2)


@pytest.mark.parametrize("sigma", [0.002, 0.1, 1.0, 80.0])
def test_preconditioned_inputs_and_targets_have_unit_variance(sigma):
    x0, n = SIGMA_DATA * normal(400_000), normal(400_000)
    c_skip, c_out, c_in = preconditioning(torch.tensor(sigma, dtype=torch.float64))
    x = x0 + sigma * n
    assert float((c_in * x).var()) == pytest.approx(1, abs=0.02)
    assert float(((x0 - c_skip * x) / c_out).var()) == pytest.approx(1, abs=0.02)


def test_karras_times_invert():
    assert torch.allclose(time_of(karras(T)[1]), T, atol=1e-12)


@pytest.mark.parametrize("cov", [torch.eye(3), torch.tensor([[1.0, 0.5], [0.0, 1.0]])])
def test_what_is_no_gaussian_is_refused(cov):
    with pytest.raises(ValueError, match="symmetric cov"):
        Gaussian(torch.zeros(2), cov)
