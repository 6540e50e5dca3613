"""Public points of 02_vaes, continued: what is likely, and what a latent is worth (see test_vaes.py)."""

from math import log

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.grading.expect import expect, require

task = pytest.mark.task

# Six points on a cross about (1, 1, 1), which vary by 8, 2 and 0.5 along the axes.
ARMS = torch.diag(torch.tensor([24.0, 6.0, 1.5]).sqrt())
POINTS = 1 + torch.cat([ARMS, -ARMS])


def leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_()


def slopes(value: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a value's sum; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad(value.sum(), of, materialize_grads=True)


@task("linear_vae")
def test_noise_variance(student):
    """The mean of the eigenvalues that are left out."""
    wrong = {
        "take the mean of the eigenvalues that are left out, not their sum": torch.tensor(2.5),
        "this is the eigenvalue that is kept: the smallest stands first": torch.tensor(8.0),
        "the largest eigenvalue is kept, and it stands last": torch.tensor(5.0),
        "this is the mean of all eigenvalues, also of those that are kept": torch.tensor(3.5),
        "likelihood wants the covariance with 1 / N: correction=0": torch.tensor(1.5),
        "a standard deviation is asked for nowhere: do not take the root": torch.tensor(1.25).sqrt(),
        "take the mean of the eigenvalues that are left out, not the smallest": torch.tensor(0.5),
        "take the mean of the eigenvalues that are left out, not the largest": torch.tensor(2.0),
        "a covariance is about the mean: centre the data": torch.linalg.eigvalsh(POINTS.T @ POINTS / 6)[:2].mean(),
    }
    expect(student.noise_variance(POINTS, 1), torch.tensor(1.25), wrong)


def axes(*squares: float) -> Tensor:
    """W W^T for columns along the axes."""
    return torch.diag(torch.tensor(squares, dtype=torch.float))


def explained(student, variance: float) -> Tensor:
    """W W^T, in which signs and order of the columns do not matter."""
    weight = student.decoder_weight(POINTS, 2, variance)
    require(isinstance(weight, Tensor) and weight.shape == (3, 2), "W must be a tensor (D, latent), here (3, 2)")
    return weight @ weight.T


@task("linear_vae")
def test_decoder_weight(student):
    """Each direction explains what it varies by more than the noise."""
    wrong = {
        "the noise explains its part already: subtract it from the eigenvalues": axes(8, 2, 0),
        "a column's length is the root of what it explains": axes(49, 1, 0),
        "eigenvalues are variances: subtract s before the root, not after it": axes((8**0.5 - 1) ** 2, 0.1715729, 0),
        "subtract the variance s, not its square or its root": axes(8, 2, 0) - 1,
        "these are directions of least variance: eigh gives the smallest first": axes(0, 1, 0),
        "the columns have length 1: stretch them": axes(1, 1, 0),
        "likelihood wants the covariance with 1 / N: correction=0": axes(8.6, 1.4, 0),
    }
    expect(explained(student, 1.0), axes(7, 1, 0), wrong, atol=1e-4)


@task("linear_vae")
def test_decoder_weight_collapses(student):
    """A direction that varies less than the noise gets a column of 0."""
    wrong = {
        "a direction that varies less than the noise is worth nothing: clamp at 0 before the root": (
            torch.full((3, 3), torch.nan)
        ),
        "what varies less than the noise explains nothing: clamp at 0 instead of the absolute value": axes(4, 2, 0),
        "the noise explains its part already: subtract it from the eigenvalues": axes(8, 2, 0),
    }
    expect(explained(student, 4.0), axes(4, 0, 0), wrong, atol=1e-4)


@task("free_bits")
def test_free_bits_value(student):
    """A dimension whose mean lies below the floor pays the floor."""
    kl = torch.tensor([[0.0, 4.0, 0.2], [2.0, 2.0, 0.0]])
    wrong = {
        "take the mean over images first, then the maximum: one image may spend more than another": 0.5
        + 4
        - 0.25
        + 0.5,
        "the floor belongs to each dimension, not to their sum": 4.1,
        "this is the minimum: a dimension pays the floor at least": 1.5,
        "the floor is paid, not given away: max(floor, KL) and not max(0, KL - floor)": 3.0,
        "the floor is no surcharge: max(floor, KL)": 5.6,
        "sum over the dimensions instead of averaging": 1.5,
        "take the mean over images, not the sum": 2 + 6 + 0.5,
    }
    wrong = {hint: torch.tensor(value) for hint, value in wrong.items()}
    expect(student.free_bits(kl, 0.5), torch.tensor(4.5), wrong)


@task("free_bits")
def test_free_bits_gradient(student):
    """No gradient presses a dimension that lies below the floor."""
    kl = leaf(torch.tensor([[0.0, 4.0, 0.2], [2.0, 2.0, 0.0]]))
    want = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    pressed = {"a gradient still presses the dimension below the floor": torch.full((2, 3), 0.5)}
    expect(*slopes(student.free_bits(kl, 0.5), kl), want, pressed)


@task("importance")
def test_log_weights(student):
    """log p(x|z) + log p(z) - log q(z|x), summed over the latents."""
    z, mean, log_variance = torch.tensor([[[1.0, 2.0]], [[0.0, -1.0]]]), torch.ones(1, 2), torch.tensor([[log(4), 0.0]])
    seen, prior, encoder = (
        torch.tensor([[-10.0], [-12.0]]),
        torch.tensor([[-2.5], [-0.5]]),
        torch.tensor([[-0.5 - log(2)], [-2.125 - log(2)]]),
    )  # both without the log 2 pi that they share
    wrong = {
        "log q is subtracted: the weight divides by it": seen + prior + encoder,
        "the prior log p(z) is missing": seen - encoder,
        "log q(z|x) is missing: the weight divides by it": seen + prior,
        "the sign of the prior is turned": seen - prior - encoder,
        "log q needs the logarithm of its width, - log_variance / 2": seen + prior - encoder - log(2),
        "divide the squared distance by the variance, not by the standard deviation": (
            seen + prior - encoder + torch.tensor([[0.0], [0.125]])
        ),
        "the density q is asked at z, about its mean": seen + prior - (prior - log(2) + torch.tensor([[0.375], [0.0]])),
        "the halves are missing in the densities": seen + 2 * (prior - encoder),
        "sum the densities over the latents instead of averaging": seen + (prior - encoder) / 2,
    }
    expect(student.log_weights(seen, z, mean, log_variance), seen + prior - encoder, wrong)


@task("importance")
def test_iwae_value(student):
    """The logarithm of the mean weight of each image."""
    log_w = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]]).log()
    wrong = {
        "this is the logarithm of the sum: the mean divides by k, so subtract log k": torch.tensor([9.0, 9.0]).log(),
        "this is the ELBO: take the logarithm after the mean of the weights, not before": log_w.mean(0),
        "the mean runs over the draws, axis 0, not over the images": torch.tensor([1.5, 4.5, 3.0]).log(),
        "subtract log k, the number of draws, not of images": torch.tensor([4.5, 4.5]).log(),
        "one bound an image: do not average over images": torch.tensor(3.0).log(),
        "these are weights: take the logarithm of their mean": torch.tensor([3.0, 3.0]),
        "this is the largest weight: take the mean": torch.tensor([5.0, 6.0]).log(),
    }
    expect(student.iwae(log_w), torch.tensor([3.0, 3.0]).log(), wrong)


@task("importance")
def test_iwae_far_out(student):
    """Weights like e^-2000 have a mean as well."""
    log_w = torch.tensor([[-2000.0], [-2000.0 + log(3)]])
    lost = {"e^-2000 is 0 in float32: use torch.logsumexp": torch.tensor([-torch.inf])}
    expect(student.iwae(log_w), torch.tensor([-2000.0 + log(2)]), lost)


LEVELS = torch.arange(256) / 127.5 - 1


def pixels(student, x: float, mean: float, log_scale: float) -> Tensor:
    return student.pixel_log_likelihood(torch.tensor([x]), torch.tensor([mean]), torch.tensor([log_scale]))


@task("pixel_log_likelihood")
def test_pixel_inside(student):
    """The mass of the bin, half a level to either side."""
    x, mean, log_scale = 51 / 127.5 - 1, -0.5, -2.0

    def log_mass(half: float = 1 / 255, sharpness: float = torch.e**2) -> Tensor:
        low, high = (
            (torch.tensor([x + side - mean], dtype=torch.double) * sharpness).sigmoid() for side in (-half, half)
        )
        return (high - low).log().float()

    slope = logsigmoid(torch.tensor([-0.1 * torch.e**2])) + logsigmoid(torch.tensor([0.1 * torch.e**2]))
    wrong = {
        "a bin reaches 1/255 to either side: together 2/255, the distance of two levels": log_mass(2 / 255),
        "a bin reaches 1/255 to either side, not 1/510": log_mass(1 / 510),
        "the scale is exp(log_scale): divide by it": log_mass(sharpness=torch.e**-2),
        "log_scale must be exponentiated": log_mass(sharpness=-0.5),
        "the distances must be divided by the scale": log_mass(sharpness=1.0),
        "this is a density: a level has the mass of its bin": slope + 2,
        "this is the probability: take its logarithm": log_mass().exp(),
        "the sign is turned: the logarithm of a probability is negative": -log_mass(),
        "this counts in bits: take the natural logarithm": log_mass() / log(2),
    }
    expect(pixels(student, x, mean, log_scale), log_mass(), wrong, atol=5e-4)


@task("pixel_log_likelihood")
def test_pixel_levels_sum_to_one(student):
    """The probabilities of all 256 levels sum to 1."""
    for mean in (-0.9, 0.9):
        log_p = student.pixel_log_likelihood(LEVELS, torch.full((256,), mean), torch.full((256,), -1.5))
        require(isinstance(log_p, Tensor) and log_p.shape == (256,), "the result must have the shape of x")
        total = float(log_p.double().exp().sum())
        end = "black reaches down" if mean < 0 else "white reaches up"
        require(total > 0.999, f"they sum to {total:.3f}, so mass is missing: {end} to infinity")
        require(total < 1.001, f"they sum to {total:.3f}, which is more than 1")


@task("pixel_log_likelihood")
def test_pixel_far_out(student):
    """Far from the mean the logarithm is still right, and has a slope."""
    mean = leaf(torch.tensor([-0.9]))
    x, log_scale = torch.tensor([100 / 127.5 - 1]), torch.tensor([-6.0])
    got = student.pixel_log_likelihood(x, mean, log_scale)
    rounded = "the difference of the two sigmoids has rounded to 0: use the product instead"
    expect(got, torch.tensor([-274.5330]), {rounded: torch.tensor([-torch.inf])}, atol=0.01)
    expect(*slopes(got, mean), torch.tensor([403.4288]), {rounded: torch.tensor([0.0])}, atol=0.05)
