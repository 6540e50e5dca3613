"""Hidden points of the exercises of 02_vaes: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast or axis
fails by itself (images = latents = draws) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`), and where sums, logarithms or eigenvectors of
float32 numbers are compared what stands at the comparison. Over 40 seeds the 26 differently written right answers
and the library, 4,900 points, never failed and never used more than 12 % of the tolerance; rounding errors of
eight times that size do not occur with so few operations, so the probability that a right answer fails is taken
to be below 1e-6.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4), (3, 5)], ids=["square", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value, which must be differentiable; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True)


def encoded(rng: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """Means, and log-variances far enough from 0 that no two formulas agree."""
    sign = torch.where(torch.rand(shape, generator=rng, device="cpu") < 0.5, -1.0, 1.0)
    return normal(rng, *shape), sign * between(rng, 0.5, 2, *shape)


@task("reparameterise")
@shapes
def test_reparameterise(student, rng, shape):
    """Random means, log-variances and noise: value and gradients."""
    (mean, log_variance), eps, weight = encoded(rng, *shape), normal(rng, *shape), normal(rng, *shape)
    mean.requires_grad_(), log_variance.requires_grad_()
    std = log_variance.mul(0.5).exp()
    wrong = {
        "this stretches by the variance: the standard deviation is its root": mean + log_variance.exp() * eps,
        "exponentiate: the network gives the logarithm of the variance": mean + log_variance * eps,
        "exponentiate: this is the root of the log-variance": mean + log_variance.abs().sqrt() * eps,
        "the sign in the exponent is turned": mean + eps / std,
        "noise is added, not subtracted": mean - std * eps,
        "the mean shifts, it does not stretch": std + mean * eps,
        "the mean is missing": std * eps,
    }
    z, given = student.reparameterise(mean, log_variance, eps), eps.clone()
    again = student.reparameterise(mean, log_variance, eps)
    require(torch.equal(z, again), "the same noise gave another draw: use the noise that was given")
    expect(z, mean + std * eps, wrong)
    require(torch.equal(eps, given), "the noise was changed in place")
    right = weight, weight * eps * std.detach() / 2
    wrong = {
        "no gradient reaches the log-variance": (right[0], 0 * right[1]),
        "no gradient reaches the mean": (0 * right[0], right[1]),
    }
    expect(gradients(z, weight, mean, log_variance), right, wrong)


@task("kl_to_prior")
@shapes
def test_kl_to_prior(student, rng, shape):
    """Random Gaussians: value and gradients."""
    (mean, log_variance), weight = encoded(rng, *shape), normal(rng, *shape)
    mean.requires_grad_(), log_variance.requires_grad_()
    square, variance = mean.square(), log_variance.exp()
    right = (square + variance - 1 - log_variance) / 2
    wrong = {
        "the half is missing": 2 * right,
        "the sign is turned": -right,
        "this is the divergence of the prior from the encoder": ((1 + square) / variance - 1 + log_variance) / 2,
        "log_variance is not the logarithm of the standard deviation": (square + variance**2 - 1) / 2 - log_variance,
        "the standard deviation stands where the variance should": (square + variance.sqrt() - 1 - log_variance) / 2,
        "the mean must be squared": (mean + variance - 1 - log_variance) / 2,
        "the -1 is missing": right + 0.5,
        "the log-variance is missing": (square + variance - 1) / 2,
        "do not sum over the latents": right.sum(1),
        "do not average over the images": right.mean(0),
        "do not sum at all": right.sum(),
        "do not average at all": right.mean(),
    }
    kl = student.kl_to_prior(mean, log_variance)
    expect(kl, right, wrong)
    want = weight * mean.detach(), weight * log_variance.detach().expm1() / 2
    expect(gradients(kl, weight, mean, log_variance), want)


@task("negative_elbo")
@pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 1, 5, 2)], ids=["cube", "oblong"])
def test_negative_elbo(student, rng, shape):
    """Random likelihoods, divergences and beta: value and gradients."""
    images, beta = shape[0], float(between(rng, 1.5, 3))
    log_likelihood = between(rng, -3, -1, *shape).requires_grad_()
    kl = between(rng, 0.5, 2, images, 4).requires_grad_()
    distortion, rate = -log_likelihood.flatten(1).sum(1), kl.sum(1)
    pixels = -log_likelihood.flatten(1).mean(1)
    wrong = {
        "you took the mean over the pixels: sum them": pixels + beta * rate,
        "you took the mean over the latents: sum them": distortion + beta * rate / 4,
        "you took the mean over pixels and latents: sum both": pixels + beta * rate / 4,
        "you summed over the images: take their mean": images * (distortion + beta * rate),
        "this is the ELBO: return its negative": -distortion - beta * rate,
        "the sign of the log-likelihood is turned": -distortion + beta * rate,
        "the sign of the rate is turned": distortion - beta * rate,
        "beta is missing": distortion + rate,
        "beta is the price of the rate, not of the distortion": beta * distortion + rate,
        "beta is the price of the rate alone": beta * (distortion + rate),
    }
    got, wrong = student.negative_elbo(log_likelihood, kl, beta), {hint: value.mean() for hint, value in wrong.items()}
    expect(got, (distortion + beta * rate).mean(), wrong)
    want = torch.full(shape, -1 / images), torch.full((images, 4), beta / images)
    expect(gradients(got, torch.ones(()), log_likelihood, kl), want)


@task("score_gradient")
@shapes
def test_score_gradient(student, rng, shape):
    """A random function that cannot be differentiated, on random draws."""
    (mean, log_variance), eps = encoded(rng, shape[1]), normal(rng, *shape)
    slope, std = between(rng, 1, 2, shape[1]), log_variance.mul(0.5).exp()

    def f(z: Tensor) -> Tensor:
        return (z.square() + slope * z).sum(1).detach()

    values, at_noise = f(mean + std * eps), f(eps)

    def both(above: Tensor) -> tuple[Tensor, Tensor]:
        return above[:, None] * eps / std, above[:, None] * (eps.square() - 1) / 2

    def others(values: Tensor) -> Tensor:
        return torch.stack([torch.cat([values[:i], values[i + 1 :]]).mean() for i in range(len(values))])

    above = values - others(values)
    right = both(above)
    wrong = {
        "the baseline is missing": both(values),
        "the baseline holds the draw's own value": both(values - values.mean()),
        "the baseline is added instead of subtracted": both(values + others(values)),
        "the sign is turned": both(-above),
        "f is to be asked at the draws z, not at the noise": both(at_noise - others(at_noise)),
        "eps / std: the division is missing": (right[0] * std, right[1]),
        "eps / std, not times std": (right[0] * std.square(), right[1]),
        "eps / std, not over the variance": (right[0] / std, right[1]),
        "the half of log-variance is missing": (right[0], 2 * right[1]),
        "log q has a term -log_variance / 2": (right[0], above[:, None] * eps.square() / 2),
        "one estimate a draw, not their mean": tuple(part.mean(0) for part in right),
        "one estimate a draw, not their sum": tuple(part.sum(0) for part in right),
    }
    if shape[0] == shape[1]:
        wrong["values are (n,): they need another axis beside (n, D)"] = above * eps / std, above * (eps**2 - 1) / 2
    expect(student.score_gradient(f, mean, log_variance, eps), right, wrong, atol=1e-4)
