"""What `check("task")` runs for the exercises of 02_vaes, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors and functions, so that the same file serves a student in another process.
"""

from math import log, sqrt

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def row(*values: float) -> Tensor:
    """One image's numbers, (1, D)."""
    return torch.tensor([values])


def leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_()


def slopes(value: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a value's sum; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad(value.sum(), of, materialize_grads=True)


@task("reparameterise")
def test_reparameterise_values(student):
    """The noise is stretched by the standard deviation and shifted by the mean."""
    got = student.reparameterise(row(1.0), row(log(4)), row(1.5))
    wrong = {
        "this stretches by the variance: the standard deviation is its root, a half in the exponent": row(7.0),
        "exponentiate: the network gives the logarithm of the variance": row(1 + 1.5 * log(4)),
        "exponentiate: this is the root of the log-variance": row(1 + 1.5 * sqrt(log(4))),
        "the sign in the exponent is turned": row(1.75),
        "noise is added, not subtracted": row(-2.0),
        "the mean shifts, it does not stretch": row(5.0),
        "the mean is missing": row(3.0),
    }
    expect(got, row(4.0), wrong)


@task("reparameterise")
def test_reparameterise_uses_the_noise(student):
    """Randomness comes from the noise that is given, and from nothing else."""
    ones = torch.ones(1, 200)
    first, second = (student.reparameterise(0 * ones, 0 * ones, ones) for _ in range(2))
    same = isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
    require(same, "the same noise gave another draw: use the noise that was given instead of drawing your own")
    expect(first, ones)


@task("reparameterise")
def test_reparameterise_gradients(student):
    """Gradients reach the mean and the log-variance."""
    mean, log_variance = leaf(row(1.0)), leaf(row(log(4)))
    wrong = {
        "no gradient reaches the log-variance: do not detach the standard deviation": (row(1.0), row(0.0)),
        "no gradient reaches the mean: do not detach it": (row(0.0), row(1.5)),
    }
    z = student.reparameterise(mean, log_variance, row(1.5))
    expect(slopes(z, mean, log_variance), (row(1.0), row(1.5)), wrong)


@task("kl_to_prior")
def test_kl_to_prior_values(student):
    """(mean^2 + variance - 1 - log-variance) / 2, in each dimension."""
    mean, log_variance = row(2.0, 1.0, 0.0), row(0.0, log(4), -log(4))
    square, variance = mean**2, log_variance.exp()
    want = row(2.0, 2 - log(2), log(2) - 0.375)
    wrong = {
        "the half is missing": 2 * want,
        "the sign is turned: a divergence is at least 0": -want,
        "this is the divergence of the prior from the encoder": ((1 + square) / variance - 1 + log_variance) / 2,
        "log_variance is the logarithm of the variance, not of the standard deviation": (
            (square + variance**2 - 1) / 2 - log_variance
        ),
        "the standard deviation stands where the variance should": (square + variance.sqrt() - 1 - log_variance) / 2,
        "the mean must be squared": (mean + variance - 1 - log_variance) / 2,
        "the -1 is missing: where the encoder says what the prior says, the cost is 0": want + 0.5,
        "the log-variance is missing": (square + variance - 1) / 2,
        "do not sum: one number for each dimension": want.sum(1),
        "do not sum, and do not average over images: one number for each dimension of each image": want[0],
        "do not sum: each dimension of each image has its own number": want.sum(),
        "do not average: each dimension of each image has its own number": want.mean(),
    }
    expect(student.kl_to_prior(mean, log_variance), want, wrong)


@task("kl_to_prior")
def test_kl_to_prior_of_the_prior(student):
    """What the prior says already costs nothing."""
    expect(student.kl_to_prior(torch.zeros(2, 3), torch.zeros(2, 3)), torch.zeros(2, 3))


@task("kl_to_prior")
def test_kl_to_prior_gradients(student):
    """Gradients pull the mean to 0 and the variance to 1."""
    mean, log_variance = leaf(row(2.0)), leaf(row(log(4)))
    expect(slopes(student.kl_to_prior(mean, log_variance), mean, log_variance), (row(2.0), row(1.5)))


@task("negative_elbo")
def test_negative_elbo_value(student):
    """Sums over pixels and over latents, the mean over images."""
    log_likelihood = torch.tensor([[-1.0, -2, -3, -4], [-2.0, -2, -2, 0]]).reshape(2, 1, 2, 2)
    kl = torch.tensor([[1.0, 2, 0], [3.0, 0, 1]])
    distortion, rate = 8.0, 3.5
    wrong = {
        "you took the mean over the pixels: sum them, or the latents are far too dear": distortion / 4 + 2 * rate,
        "you took the mean over the latents: sum them": distortion + 2 * rate / 3,
        "you took the mean over pixels and latents: sum both within an image": distortion / 4 + 2 * rate / 3,
        "you summed over the images: take their mean": 2 * (distortion + 2 * rate),
        "this is the ELBO, which grows: return its negative": -distortion - 2 * rate,
        "the sign of the log-likelihood is turned": -distortion + 2 * rate,
        "the rate is a cost: its sign is turned": distortion - 2 * rate,
        "beta is missing": distortion + rate,
        "beta is the price of the rate, not of the distortion": 2 * distortion + rate,
        "beta is the price of the rate alone": 2 * (distortion + rate),
        "one number for the batch: the mean over images is missing": torch.tensor([16.0, 14.0]),
    }
    wrong = {hint: torch.as_tensor(value) for hint, value in wrong.items()}
    expect(student.negative_elbo(log_likelihood, kl, 2.0), torch.tensor(distortion + 2 * rate), wrong)


@task("negative_elbo")
def test_negative_elbo_gradients(student):
    """Gradients reach the pixels and the latents of every image alike."""
    log_likelihood, kl = leaf(torch.zeros(2, 1, 2, 2)), leaf(torch.ones(2, 3))
    want = torch.full((2, 1, 2, 2), -0.5), torch.full((2, 3), 1.5)
    expect(slopes(student.negative_elbo(log_likelihood, kl, 3.0), log_likelihood, kl), want)


def climb(z: Tensor) -> Tensor:
    """z^2 + z, as a function whose slope nobody may ask for."""
    return (z.square() + z).sum(1).detach()


@task("score_gradient")
def test_score_gradient_values(student):
    """(f(z) - mean of the others) times the gradient of log q, for each draw."""
    mean, log_variance, eps = torch.tensor([1.0]), torch.tensor([log(4)]), torch.tensor([[0.5], [-1.5], [2.0]])
    values, above = torch.tensor([[6.0], [2.0], [30.0]]), torch.tensor([[-10.0], [-16.0], [26.0]])
    at_noise = torch.tensor([[0.75], [0.75], [6.0]])

    def both(above: Tensor, std: float = 2.0) -> tuple[Tensor, Tensor]:
        return above * eps / std, above * (eps**2 - 1) / 2

    right = both(above)
    wrong = {
        "the baseline is missing: subtract the mean of the other values": both(values),
        "the mean of all values holds the draw's own: take the mean of the others": both(values - values.mean()),
        "the baseline is added instead of subtracted": both(2 * values - above),
        "make draws likelier that did better: the sign is turned": both(-above),
        "f is to be asked at the draws z, not at the noise": both(1.5 * (at_noise - at_noise.mean())),
        "the gradient of log q for the mean is eps / std: the division is missing": (above * eps, right[1]),
        "the gradient of log q for the mean is eps / std, not times std": (2 * above * eps, right[1]),
        "the gradient of log q for the mean is eps / std, not over the variance": (above * eps / 4, right[1]),
        "the half of log-variance is missing": (right[0], 2 * right[1]),
        "log q has a term -log_variance / 2, from which comes a -1": (right[0], above * eps**2 / 2),
        "return one estimate a draw, not their mean": tuple(part.mean(0) for part in right),
        "return one estimate a draw, not their sum": tuple(part.sum(0) for part in right),
    }
    expect(student.score_gradient(climb, mean, log_variance, eps), right, wrong)


@task("score_gradient")
def test_score_gradient_of_a_step(student):
    """A step has no slope, and its mean has one."""
    above = torch.tensor([-0.5, 1.0, -0.5]).reshape(3, 1)
    eps = torch.tensor([[-0.5, 1.0], [0.5, 2.0], [-1.0, -1.0]])
    got = student.score_gradient(lambda z: (z[:, 0] > 0).float(), torch.zeros(2), torch.zeros(2), eps)
    still = {"the draw must be held still: f has no slope that could be passed on": (0 * eps, 0 * eps)}
    expect(got, (above * eps, above * (eps**2 - 1) / 2), still)
