"""Hidden points of the exercises of 03_diffusion: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast fails
by itself (batch = channels = height = width) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`; 2e-5 for `ddpm_step`). The numbers are of
size 1 to 10 in float32. Over 100 seeds the 22 differently written right answers and the library, 3,000
runs, never failed and never used more than 9 % of the tolerance; rounding errors of ten times that size do
not occur with so few operations, so the probability that a right answer fails is taken to be below 1e-6.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 1, 5, 2)], ids=["cube", "oblong"])
BROADCAST = "one number an image: give it the shape (B, 1, 1, 1)"


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def tall(numbers: Tensor) -> Tensor:
    return numbers.reshape(-1, 1, 1, 1)


def wide(numbers: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Matched with the last axis, where that is possible at all."""
    return numbers.reshape(1, 1, 1, -1) if len(numbers) == shape[-1] else tall(numbers)


def flow(t: Tensor) -> tuple[Tensor, Tensor]:
    return 1 - t, t


def bent(t: Tensor) -> tuple[Tensor, Tensor]:
    """A schedule that is not in the course: alpha^2 + sigma^2 is not 1, sigma(0) = 0."""
    return 1 - 0.9 * t**2, t * (1.5 - 0.4 * t)


def times(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """t in [0.5, 0.9] and s in [0.15, 0.45], far enough from 0 that no division magnifies rounding."""
    return between(rng, 0.5, 0.9), between(rng, 0.15, 0.45)


@task("add_noise")
@shapes
def test_add_noise(student, rng, shape):
    """Random images, noise, alpha and sigma."""
    x0, eps = normal(rng, *shape), normal(rng, *shape)
    alpha, sigma = between(rng, 0.1, 0.9, shape[0]), between(rng, 0.1, 0.9, shape[0])
    got, (a, s) = student.add_noise(x0.clone(), eps.clone(), alpha, sigma), (tall(alpha), tall(sigma))
    wrong = {
        BROADCAST: wide(alpha, shape) * x0 + wide(sigma, shape) * eps,
        "alpha and sigma have changed places": s * x0 + a * eps,
        "do not square alpha and sigma": a**2 * x0 + s**2 * eps,
        "take no square root of alpha and sigma": a.sqrt() * x0 + s.sqrt() * eps,
        "noise is added, not subtracted": a * x0 - s * eps,
    }
    expect(got, a * x0 + s * eps, wrong)


@task("add_noise")
def test_add_noise_keeps_arguments(student, rng):
    """Arguments stay as they are, and gradients pass."""
    x0, eps, alpha = normal(rng, 2, 1, 3, 3), normal(rng, 2, 1, 3, 3), between(rng, 0.1, 0.9, 2)
    given = x0.clone(), eps.clone(), alpha.clone()
    student.add_noise(*given, 1 - alpha)
    unchanged = all(torch.equal(now, before) for now, before in zip(given, (x0, eps, alpha)))
    require(unchanged, "an argument was changed in place")
    image = x0.clone().requires_grad_()
    x_t = student.add_noise(image, eps, alpha, 1 - alpha)
    require(x_t.requires_grad, "no gradient passes through your function")
    x_t.sum().backward()
    expect(image.grad, tall(alpha).expand(2, 1, 3, 3))


@task("cosine_schedule")
def test_cosine_schedule(student, rng):
    """Random times of any shape, and their derivative."""
    for t in (between(rng, 0, 1, 7), between(rng, 0, 1), between(rng, 0, 1, 2, 1, 3)):
        angle = t * torch.pi / 2
        right = torch.cos(angle), torch.sin(angle)
        wrong = {
            "alpha and sigma have changed places": right[::-1],
            "this is alpha squared": (right[0] ** 2, right[1] ** 2),
            "this is half a circle": (torch.cos(2 * angle), torch.sin(2 * angle)),
            "this is the straight line": (1 - t, t),
            "torch.cos takes radians": (torch.cos(90 * t), torch.sin(90 * t)),
        }
        expect(student.cosine_schedule(t), right, wrong)


@task("cosine_schedule")
def test_cosine_schedule_ends(student, rng):
    """Sigma keeps its digits near t = 0, where its slope is pi / 2, and alpha near t = 1."""
    t = between(rng, 1e-5, 1e-3, 5)
    lost = (1 - torch.cos(t * torch.pi / 2) ** 2).sqrt()
    hint = "1 - alpha^2 has lost its digits: take sigma from the angle"
    expect(student.cosine_schedule(t)[1], torch.sin(t * torch.pi / 2), {hint: lost}, atol=0)
    start = torch.zeros(1, requires_grad=True)
    sigma = student.cosine_schedule(start)[1]
    require(sigma.requires_grad, "no gradient passes through your function")
    sigma.sum().backward()
    expect(start.grad, torch.full((1,), torch.pi / 2))


@task("v_prediction")
@shapes
def test_v_prediction(student, rng, shape):
    """Random images and angles, both ways."""
    x0, eps, angle = normal(rng, *shape), normal(rng, *shape), tall(between(rng, 0, torch.pi / 2, shape[0]))
    alpha, sigma = angle.cos(), angle.sin()
    x_t, v = alpha * x0 + sigma * eps, alpha * eps - sigma * x0
    wrong = {
        "the sign of v is turned": -v,
        "this is x_t: v subtracts the image": x_t,
        "alpha and sigma have changed places": sigma * eps - alpha * x0,
        "this is the velocity of the straight line": eps - x0,
    }
    expect(student.v_from_noise(x0, eps, alpha, sigma), v, wrong)
    wrong = {
        "the sign of v is turned": alpha * x_t + sigma * v,
        "this is the noise, not the image": eps,
        "x_t is weighted by alpha too": x_t - sigma * v,
    }
    expect(student.x0_from_v(x_t, v, alpha, sigma), x0, wrong)


@task("x0_from_velocity")
@shapes
def test_x0_from_velocity(student, rng, shape):
    """Random points on random lines."""
    x_t, velocity, t = normal(rng, *shape), normal(rng, *shape), between(rng, 0.1, 0.9, shape[0])
    got, w = student.x0_from_velocity(x_t, velocity, t), tall(t)
    wrong = {
        BROADCAST: x_t - wide(t, shape) * velocity,
        "you walked forwards": x_t + w * velocity,
        "the way back is t long": x_t - (1 - w) * velocity,
        "this is the noise": x_t + (1 - w) * velocity,
    }
    expect(got, x_t - w * velocity, wrong)


@task("ddim_step")
@pytest.mark.parametrize("schedule", [flow, bent])
def test_ddim_step(student, rng, schedule):
    """Random states, guesses, times and schedules."""
    x_t, x0, (t, s) = normal(rng, 3, 2, 4, 4), normal(rng, 3, 2, 4, 4), times(rng)
    (alpha, sigma), (alpha_s, sigma_s) = schedule(t), schedule(s)
    eps = (x_t - alpha * x0) / sigma
    wrong = {
        "mix with the weights of s, not of t": x_t,
        "alpha_t is missing where the noise is inferred": alpha_s * x0 + sigma_s * (x_t - x0) / sigma,
        "the inferred noise must be divided by sigma_t": alpha_s * x0 + sigma_s * sigma * eps,
        "divide by sigma_t, not by sigma_s": alpha_s * x0 + sigma * eps,
        "alpha_s and sigma_s have changed places": sigma_s * x0 + alpha_s * eps,
    }
    expect(student.ddim_step(x_t, x0, t, s, schedule), alpha_s * x0 + sigma_s * eps, wrong)
    expect(student.ddim_step(x_t, x0, t, torch.tensor(0.0), schedule), x0)


@task("ddpm_step")
@pytest.mark.parametrize("schedule", [flow, bent])
def test_ddpm_step(student, rng, schedule):
    """Random states, guesses, times, fresh noises and schedules."""
    x_t, x0, z = (normal(rng, 3, 2, 4, 4) for _ in range(3))
    t, s = times(rng)
    (alpha, sigma), (alpha_s, sigma_s) = schedule(t), schedule(s)
    eps, added = (x_t - alpha * x0) / sigma, sigma**2 - (alpha / alpha_s * sigma_s) ** 2

    def step(kept: Tensor, fresh: Tensor) -> Tensor:
        return alpha_s * x0 + kept * eps + fresh * z

    f = sigma_s / sigma * added.sqrt()
    kept = (sigma_s**2 - f**2).sqrt()
    unsquared, unscaled = sigma_s / sigma * added, added
    wrong = {
        "this is a DDIM step: the fresh noise is missing": step(sigma_s, 0 * f),
        "the fresh noise is missing": step(kept, 0 * f),
        "z must be multiplied by the root of f^2": step(kept, f**2),
        "no inferred noise is taken away for the fresh": step(sigma_s, f),
        "variances add up, standard deviations do not": step(sigma_s - f, f),
        "all noise is replaced": step(0 * f, sigma_s),
        "the ratio sigma_s / sigma_t must be squared": step((sigma_s**2 - unsquared).sqrt(), unsquared.sqrt()),
        "the factor sigma_s^2 / sigma_t^2 is missing": step((sigma_s**2 - unscaled).sqrt(), unscaled.sqrt()),
    }
    wrong = {hint: value for hint, value in wrong.items() if value.isfinite().all()}  # NaN would name the first
    expect(student.ddpm_step(x_t, x0, t, s, schedule, z), step(kept, f), wrong, atol=2e-5)
    expect(student.ddpm_step(x_t, x0, t, torch.tensor(0.0), schedule, z), x0)
