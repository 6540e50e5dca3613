"""Samplers and solvers on data for which the exact answer is known."""

import pytest
import torch

from course_lib.diffusion.gaussian import Gaussian
from course_lib.diffusion.ideal import ideal_denoiser
from course_lib.diffusion.parametrisation import velocity
from course_lib.diffusion.reflow import curvature
from course_lib.diffusion.samplers import ddim, ddpm, dpm_solver, posterior_std
from course_lib.diffusion.schedules import add_noise, cosine, flow
from course_lib.diffusion.solvers import adams_bashforth, euler, heun, midpoint, times
from course_lib.model import last


@pytest.fixture
def known() -> Gaussian:
    factor = torch.tensor([[1.5, 0.3], [0.0, 0.4]], dtype=torch.float64)
    return Gaussian(torch.tensor([0.5, -1.0], dtype=torch.float64), factor @ factor.T)


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(64, 2, dtype=torch.float64)


def slope(errors: dict[int, float]) -> float:
    """Of log error against log step size, by least squares."""
    x = torch.tensor([-float(torch.tensor(float(n)).log()) for n in errors], dtype=torch.float64)
    y = torch.tensor(list(errors.values()), dtype=torch.float64).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def solver_errors(solver, known, noise, schedule) -> dict[int, float]:
    one, zero = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    exact = known.transport(noise, schedule, one, zero)
    field, counts = known.velocity(schedule), (32, 64, 128, 256)
    return {n: float((last(solver(field, noise, times(n))) - exact).abs().mean()) for n in counts}


@pytest.mark.parametrize("schedule", [flow, cosine])
def test_euler_s_error_falls_with_the_first_power_of_the_step(known, noise, schedule):
    assert slope(solver_errors(euler, known, noise, schedule)) == pytest.approx(1, abs=0.1)


# Not the midpoint rule on the straight line: there its error on Gaussian data happens to fall with the cube.
@pytest.mark.parametrize(
    ("solver", "schedule"),
    [(heun, flow), (heun, cosine), (midpoint, cosine), (adams_bashforth, flow), (adams_bashforth, cosine)],
)
def test_second_order_solvers_errors_fall_with_the_square(solver, known, noise, schedule):
    assert slope(solver_errors(solver, known, noise, schedule)) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("sampler", [ddim, dpm_solver])
def test_deterministic_samplers_converge_to_the_exact_transport(sampler, known, noise):
    one, zero = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    exact = known.transport(noise, cosine, one, zero)
    result = last(sampler(known.denoiser(cosine), noise, cosine, times(400)))
    assert float((result - exact).abs().max()) < 0.03


def test_dpm_solver_beats_ddim_at_equal_evaluations(known, noise):
    one, zero = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    exact = known.transport(noise, flow, one, zero)
    error = {
        sampler: float((last(sampler(known.denoiser(flow), noise, flow, times(20))) - exact).abs().mean())
        for sampler in (ddim, dpm_solver)
    }
    assert error[dpm_solver] < 0.5 * error[ddim]


def test_ddim_on_the_straight_line_is_euler(known, noise):
    through_denoiser = last(ddim(known.denoiser(flow), noise, flow, times(10)))
    through_velocity = last(euler(velocity(known.denoiser(flow), flow), noise, times(10)))
    assert torch.allclose(through_denoiser, through_velocity, atol=1e-10)


def test_ddpm_draws_the_data_distribution(known):
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, 2, generator=rng, dtype=torch.float64)
    x = last(ddpm(known.denoiser(cosine), noise, cosine, times(200), generator=rng))
    assert torch.allclose(x.mean(0), known.mean, atol=0.05)
    assert torch.allclose(x.T.cov(), known.cov, atol=0.1)


def test_ddpm_step_is_the_posterior_of_two_gaussian_steps():
    """x_s given x_t and x_0, by conditioning the joint Gaussian of (x_s, x_t)."""
    t, s = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    (alpha_t, sigma_t), (alpha_s, sigma_s) = cosine(t), cosine(s)
    covariance = alpha_t / alpha_s * sigma_s**2  # between x_s and x_t
    expected = (sigma_s**2 - covariance**2 / sigma_t**2).sqrt()
    assert float(posterior_std(cosine, t, s)) == pytest.approx(float(expected), abs=1e-12)


def test_ddpm_with_a_generator_repeats(known, noise):
    runs = [
        last(ddpm(known.denoiser(cosine), noise, cosine, times(5), generator=torch.Generator().manual_seed(4)))
        for _ in range(2)
    ]
    assert torch.equal(*runs)


@pytest.mark.parametrize("sampler", [ddim, ddpm, dpm_solver])
@pytest.mark.parametrize("schedule", [flow, cosine])
def test_the_ideal_denoiser_returns_its_training_images(sampler, schedule):
    rng = torch.Generator().manual_seed(1)
    images = torch.rand(20, 1, 6, 6, generator=rng) * 2 - 1
    noise = torch.randn(16, 1, 6, 6, generator=rng)
    drawn = last(sampler(ideal_denoiser(images, schedule), noise, schedule, times(50, start=0.999)))
    nearest = torch.cdist(drawn.flatten(1), images.flatten(1)).amin(dim=1)
    assert float(nearest.max()) < 1e-3


@pytest.mark.parametrize("sampler", [ddim, ddpm, dpm_solver])
def test_in_single_precision_too_a_sampler_may_start_at_pure_noise(sampler):
    x0 = torch.linspace(-1, 1, 6).view(2, 3)
    drawn = last(sampler(lambda x, t: x0, torch.ones(2, 3), cosine, times(4)))
    assert torch.allclose(drawn, x0, atol=1e-6)


def test_a_perfect_guess_is_reached_in_one_step():
    x0, eps = torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4)
    x = add_noise(x0, eps, torch.tensor(0.8), cosine)
    assert torch.allclose(last(ddim(lambda x, t: x0, x, cosine, torch.tensor([0.8, 0.0]))), x0, atol=1e-5)


@pytest.mark.parametrize("bad", [torch.tensor([1.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0, 0.0])])
def test_times_that_do_not_fall_are_refused(bad):
    with pytest.raises(ValueError, match="times must"):
        next(ddim(lambda x, t: x, torch.zeros(1, 2), flow, bad))


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="at least one step"):
        times(0)
    with pytest.raises(ValueError, match="times must be one row"):
        next(euler(lambda x, t: x, torch.zeros(1, 2), torch.tensor([1.0])))


def test_straight_paths_have_no_curvature_and_bent_ones_do(known, noise):
    line = [noise * (1 - i / 8) for i in range(9)]
    assert float(curvature(line)) == pytest.approx(0, abs=1e-12)
    path = [noise, *euler(known.velocity(flow), noise, times(8))]
    assert float(curvature(path)) > 0.01
    with pytest.raises(ValueError, match="three states"):
        curvature(line[:2])
