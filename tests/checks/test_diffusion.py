"""What `check("task")` runs for the exercises of 03_diffusion, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors, functions and modules, so that the same file serves a student in another process.
"""

from math import sqrt

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

SHAPE_HINT = "one number an image: give it the shape (B, 1, 1, 1); here it was matched with the "
ONE_EACH = torch.tensor([0.75, 0.5, 0.25])


def image(value: float) -> Tensor:
    """A 2 x 2 image of one grey."""
    return torch.full((1, 1, 2, 2), value)


def flow(t: Tensor) -> tuple[Tensor, Tensor]:
    return 1 - t, t


def circle(t: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cos(t * torch.pi / 2), torch.sin(t * torch.pi / 2)


def per_image(numbers: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Numbers (3,) spread over images (3, 3, 3, 3) rightly, and wrongly in three ways that do not fail."""
    shapes = {"width": (1, 1, 1, 3), "height": (1, 1, 3, 1), "channels": (1, 3, 1, 1)}
    wrong = {SHAPE_HINT + axis: numbers.reshape(shape).expand(3, 3, 3, 3) for axis, shape in shapes.items()}
    return numbers.reshape(3, 1, 1, 1).expand(3, 3, 3, 3), wrong


@task("add_noise")
def test_add_noise_weights(student):
    """The image is weighted by alpha and the noise by sigma."""
    got = student.add_noise(image(2.0), image(-1.0), torch.tensor([0.8]), torch.tensor([0.6]))
    wrong = {
        "alpha and sigma have changed places": image(0.4),
        "alpha and sigma are the weights themselves: do not square them": image(0.92),
        "alpha and sigma are the weights themselves: take no square root": image(2 * sqrt(0.8) - sqrt(0.6)),
        "noise is added, not subtracted": image(2.2),
    }
    expect(got, image(1.0), wrong)


@task("add_noise")
def test_add_noise_one_time_an_image(student):
    """Each image has its own alpha and sigma, also where batch and width are equal."""
    want, wrong = per_image(ONE_EACH)
    expect(student.add_noise(torch.ones(3, 3, 3, 3), torch.zeros(3, 3, 3, 3), ONE_EACH, 1 - ONE_EACH), want, wrong)


@task("add_noise")
def test_add_noise_leaves_the_image(student):
    """The images that were given stay as they are."""
    x0, eps = image(2.0), image(-1.0)
    student.add_noise(x0, eps, torch.tensor([0.8]), torch.tensor([0.6]))
    hint = "x0 or eps itself was changed: make a new tensor instead of working in place"
    require(torch.equal(x0, image(2.0)) and torch.equal(eps, image(-1.0)), hint)


@task("cosine_schedule")
def test_cosine_schedule_values(student):
    """From (1, 0) through (0.866, 0.5) at one third and (0.707, 0.707) in the middle to (0, 1)."""
    t, a, b = torch.tensor([0, 1 / 3, 0.5, 1]), sqrt(3) / 2, sqrt(0.5)
    alpha, sigma = torch.tensor([1, a, b, 0]), torch.tensor([0, 0.5, b, 1])
    wrong = {
        "alpha and sigma have changed places: at t = 0 there is only image": (sigma, alpha),
        "this is alpha squared, which papers call alpha-bar": (alpha**2, sigma**2),
        "this is half a circle: at t = 1 alpha is 0, not -1": (torch.cos(torch.pi * t), torch.sin(torch.pi * t)),
        "this is the straight line; alpha^2 + sigma^2 should be 1": (1 - t, t),
        "torch.cos takes radians, not degrees": (torch.cos(90 * t), torch.sin(90 * t)),
    }
    expect(student.cosine_schedule(t), (alpha, sigma), wrong)


@task("cosine_schedule")
def test_cosine_schedule_near_data(student):
    """Sigma is right to six digits at t = 0.0001, where samplers divide by it."""
    t = torch.tensor([1e-4, 1e-3])
    _, sigma = student.cosine_schedule(t)
    root = (1 - torch.cos(t * torch.pi / 2) ** 2).sqrt()
    hint = "1 - alpha^2 has lost its digits in float32: take sigma from the angle"
    expect(sigma, torch.tensor([1.5707963e-4, 1.5707957e-3]), {hint: root}, atol=0)


@task("v_prediction")
def test_v_from_noise(student):
    """v = alpha eps - sigma x_0."""
    got = student.v_from_noise(image(2.0), image(3.0), torch.tensor(0.8), torch.tensor(0.6))
    wrong = {
        "the sign of v is turned": image(-1.2),
        "this is x_t: v subtracts the image": image(3.6),
        "alpha and sigma have changed places": image(0.2),
        "this is the velocity of the straight line, eps - x_0": image(1.0),
    }
    expect(got, image(1.2), wrong)


@task("v_prediction")
def test_x0_from_v(student):
    """x_t and v lead back to the image."""
    got = student.x0_from_v(image(3.4), image(1.2), torch.tensor(0.8), torch.tensor(0.6))
    wrong = {
        "the sign of v is turned": image(3.44),
        "this is the noise, not the image": image(3.0),
        "x_t is weighted by alpha too": image(2.68),
    }
    expect(got, image(2.0), wrong)


@task("x0_from_velocity")
def test_x0_from_velocity_values(student):
    """The velocity leads back to the image at t = 0."""
    got = student.x0_from_velocity(image(1.25), image(-3.0), torch.tensor([0.25]))
    wrong = {
        "you walked forwards: the image lies against the velocity": image(0.5),
        "the way back from t to 0 is t long, not 1 - t": image(3.5),
        "this is the noise, at the other end of the line": image(-1.0),
    }
    expect(got, image(2.0), wrong)


@task("x0_from_velocity")
def test_x0_from_velocity_one_time_an_image(student):
    """Each image has its own time, also where batch and width are equal."""
    want, wrong = per_image(ONE_EACH)
    expect(student.x0_from_velocity(torch.zeros(3, 3, 3, 3), -torch.ones(3, 3, 3, 3), ONE_EACH), want, wrong)


@task("ddim_step")
def test_ddim_step_values(student):
    """The noise is inferred at t and mixed again with the weights of s."""
    got = student.ddim_step(image(0.5), image(2.0), torch.tensor(0.5), torch.tensor(0.25), flow)
    wrong = {
        "nothing has moved: mix with the weights of s, not of t": image(0.5),
        "alpha_t is missing where the noise is inferred": image(0.75),
        "the inferred noise must be divided by sigma_t": image(1.375),
        "divide by sigma_t, the noise of where you are, not by sigma_s": image(1.0),
        "alpha_s and sigma_s have changed places": image(-0.25),
    }
    expect(got, image(1.25), wrong)


@task("ddim_step")
def test_ddim_step_schedule(student):
    """Any schedule can be given."""
    got = student.ddim_step(image(0.5 + sqrt(3)), image(1.0), torch.tensor(2 / 3), torch.tensor(1 / 3), circle)
    wrong = {
        "the schedule that was given is not used": image(2 / 3 + (1 / 6 + sqrt(3)) / 2),
        "the schedule that was given is not used at s": image(4 / 3),
    }
    expect(got, image(1 + sqrt(3) / 2), wrong)


@task("ddim_step")
def test_ddim_step_last(student):
    """The last step, to s = 0, gives the guess itself."""
    expect(student.ddim_step(image(0.5), image(2.0), torch.tensor(0.5), torch.tensor(0.0), flow), image(2.0))


@task("ddpm_step")
def test_ddpm_step_values(student):
    """Part of the inferred noise is replaced by fresh noise; their variances add up to sigma_s squared."""
    got = student.ddpm_step(image(0.5), image(2.0), torch.tensor(0.5), torch.tensor(0.4), flow, image(3.0))
    kept, fresh = 4 / 15, sqrt(4 / 45)
    wrong = {
        "this is a DDIM step: the fresh noise is missing": image(0.8),
        "the fresh noise is missing": image(1.2 - kept),
        "f is a standard deviation: z must be multiplied by the root of f^2": image(1.2 - kept + 12 / 45),
        "fresh noise is added, but no inferred noise is taken away for it": image(0.8 + 3 * fresh),
        "variances add up, standard deviations do not": image(1.2 - (0.4 - fresh) + 3 * fresh),
        "all noise is replaced: keep the part of it that f leaves": image(2.4),
        "the ratio sigma_s / sigma_t must be squared in f^2": image(2.2 - sqrt(0.16 - 1 / 9)),
        "the factor sigma_s^2 / sigma_t^2 is missing in f^2": image(1.2 - sqrt(0.16 - 5 / 36) + 3 * sqrt(5 / 36)),
    }
    expect(got, image(1.2 - kept + 3 * fresh), wrong)


@task("ddpm_step")
def test_ddpm_step_last(student):
    """The last step, to s = 0, gives the guess itself, without noise."""
    got = student.ddpm_step(image(0.5), image(2.0), torch.tensor(0.5), torch.tensor(0.0), flow, image(3.0))
    expect(got, image(2.0))
