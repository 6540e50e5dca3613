"""What `check("task")` runs for the exercises of 01_gans, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors, functions and modules, so that the same file serves a student in another process.
"""

from math import exp, log, log1p

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def numbers(*values: float) -> Tensor:
    return torch.tensor(values)


@task("optimal_discriminator")
def test_optimal_discriminator_values(student):
    """Where the data are three times as dense as the samples, three of four points are real."""
    log_p, log_q = numbers(log(0.3), log(0.2), log(0.1)), numbers(log(0.1), log(0.2), log(0.4))
    wrong = {
        "p and q have changed places: this is the probability of a generated point": numbers(0.25, 0.5, 0.8),
        "this is the odds p / q: divide p by p + q": numbers(3.0, 1.0, 0.25),
        "this is the score log p - log q: its sigmoid is the probability": numbers(log(3), 0, -log(4)),
        "the arguments are logarithms: the fraction is one of their exponentials": log_p / (log_p + log_q),
        "this is a verdict: D is a probability, and hesitates where both are seen": numbers(1.0, 0.0, 0.0),
    }
    expect(student.optimal_discriminator(log_p, log_q), numbers(0.75, 0.5, 0.2), wrong)


@task("optimal_discriminator")
def test_optimal_discriminator_far_out(student):
    """Far out, where both densities round to 0, the answer is still known."""
    got = student.optimal_discriminator(numbers(-2000.0, -2000.0, -900.0), numbers(-2000.0, -2000 - log(4), -2000.0))
    hint = "0 / 0: both densities round to 0 here, so use only the difference of their logarithms"
    wrong = {hint: torch.full((3,), torch.nan), f"{hint}, not 1/2": torch.full((3,), 0.5)}
    expect(got, numbers(0.5, 0.8, 1.0), wrong, atol=5e-4)  # the logarithms themselves have few digits left


def soft(score: float) -> float:
    """log(1 + e^score): what is paid at one score."""
    return log1p(exp(score))


@task("gan_losses")
def test_discriminator_loss_value(student):
    """It pays for real images with low scores and for generated ones with high scores, each half a mean."""
    got = student.discriminator_loss(numbers(0.0, 2.0), numbers(1.0, -1.0))
    real, fake = (soft(0) + soft(-2)) / 2, (soft(1) + soft(-1)) / 2
    turned = (soft(0) + soft(2)) / 2
    twice = (soft(-0.5) + soft(-0.8807971) + soft(0.7310586) + soft(0.2689414)) / 2
    wrong = {
        "real and generated have changed places: real scores should be high": torch.tensor(turned + fake),
        "this is the sum: take a mean over each half": torch.tensor(2 * (real + fake)),
        "the two halves are added, not averaged": torch.tensor((real + fake) / 2),
        "what it pays for the generated images is missing": torch.tensor(real),
        "what it pays for the real images is missing": torch.tensor(fake),
        "this is the value that it maximises: it pays the negative": torch.tensor(-real - fake),
        "these are scores, and their sigmoid was taken twice": torch.tensor(twice),
        "this is the Wasserstein critic's loss: D is the sigmoid of the score": torch.tensor(-1.0),
    }
    expect(got, torch.tensor(real + fake), wrong)


@task("gan_losses")
def test_generator_loss_value(student):
    """The generator pays -log D, the mean over its images."""
    got = student.generator_loss(numbers(1.0, -2.0))
    wrong = {
        "this is the saturating loss log(1 - D), flat where the generator loses": torch.tensor(
            -(soft(1) + soft(-2)) / 2
        ),
        "this rewards low scores: the generator wants high ones": torch.tensor((soft(1) + soft(-2)) / 2),
        "this is log D, which it maximises: it pays the negative": torch.tensor(-(soft(-1) + soft(2)) / 2),
        "this is the sum: take the mean": torch.tensor(soft(-1) + soft(2)),
        "this is the Wasserstein generator's loss: D is the sigmoid of the score": torch.tensor(0.5),
    }
    expect(got, torch.tensor((soft(-1) + soft(2)) / 2), wrong)


@task("gan_losses")
def test_gan_losses_sure_and_wrong(student):
    """Both losses stay finite where the discriminator is sure and wrong."""
    hint = "the logarithm of a probability that rounds to 0: use softplus on the score"
    wrong = {hint: torch.tensor(float("inf"))}
    expect(student.discriminator_loss(numbers(-200.0), numbers(300.0)), torch.tensor(500.0), wrong)
    expect(student.generator_loss(numbers(-200.0)), torch.tensor(200.0), wrong)


@task("wasserstein")
def test_wasserstein_values(student):
    """The smallest goes to the smallest, the next to the next."""
    got = student.wasserstein(numbers(3.0, 5.0, 0.0, 4.0), numbers(0.0, 6.0, 5.0, 0.0))
    wrong = {
        "sort both samples first: these pairs cross each other": torch.tensor(3.25),
        "sort the first sample too": torch.tensor(3.75),
        "sort the second sample too": torch.tensor(2.25),
        "one sample is sorted upwards, the other downwards": torch.tensor(4.25),
        "these are squared distances: the work is the distance itself": torch.tensor(2.75),
        "this is the sum: take the mean": torch.tensor(5.0),
        "left and right cancel each other: take absolute values of each pair": torch.tensor(0.25),
    }
    expect(got, torch.tensor(1.25), wrong)


@task("wasserstein")
def test_wasserstein_both_ways(student):
    """Grains that are carried to the left do not cancel those that are carried to the right."""
    got = student.wasserstein(numbers(-1.0, 1.0), numbers(3.0, -3.0))
    wrong = {
        "left and right cancel each other: take absolute values of each pair": torch.tensor(0.0),
        "sort both samples first: these pairs cross each other": torch.tensor(4.0),
        "these are squared distances: the work is the distance itself": torch.tensor(4.0),
    }
    expect(got, torch.tensor(2.0), wrong)


SIGMA = 0.7310586  # sigmoid of 1


@task("dirac")
def test_dirac_field_values(student):
    """Each player walks down its own loss by its own number."""
    got = student.dirac_field(numbers(2.0, 0.5), 0.4)
    toward, away = 0.5 * (1 - SIGMA), -2 * SIGMA
    wrong = {
        "the generator walks up its loss: it wants higher scores": numbers(-toward, away - 0.2),
        "the discriminator walks up its loss: generated images should score low": numbers(toward, -away - 0.2),
        "the penalty is missing": numbers(toward, away),
        "the derivative of gamma / 2 psi^2 is gamma psi": numbers(toward, away - 0.1),
        "the penalty pushes psi up: its sign is turned": numbers(toward, away + 0.2),
        "the penalty is on the discriminator's slope psi, not on theta": numbers(toward, away - 0.8),
        "the penalty is the discriminator's, not the generator's": numbers(toward - 0.8, away),
        "this is the Wasserstein game: the losses' derivatives contain a sigmoid": numbers(0.5, -2.2),
        "this is the saturating generator: its loss is log(1 + e^(-psi theta))": numbers(0.5 * SIGMA, away - 0.2),
        "theta's velocity comes first": numbers(away - 0.2, toward),
    }
    expect(got, numbers(toward, away - 0.2), wrong)


def in_order(values: object) -> object:
    """Eigenvalues by imaginary part, then by real part, so that their order does not matter."""
    if not (isinstance(values, Tensor) and values.shape == (2,) and values.is_complex()):
        return values
    return torch.tensor(sorted(values.tolist(), key=lambda v: (round(v.imag, 3), v.real)), dtype=torch.complex64)


@task("dirac")
def test_eigenvalues_of_a_turn(student):
    """A rotation has imaginary eigenvalues, a spiral inwards negative real parts too."""
    for pull in (0.0, 0.5):
        got = student.eigenvalues(
            lambda s, pull=pull: torch.stack([2 * s[1] - pull * s[0], -2 * s[0] - pull * s[1]]), numbers(1.0, 1.0)
        )
        want = torch.tensor([-pull - 2j, -pull + 2j])
        wrong = {
            "the Jacobian is not symmetric: use torch.linalg.eigvals": numbers(-2 - pull, 2 - pull),
            "these are the real parts only": numbers(-pull, -pull),
            "these are the singular values": numbers((4 + pull**2) ** 0.5, (4 + pull**2) ** 0.5),
        }
        expect(in_order(got), want, wrong)


@task("dirac")
def test_eigenvalues_at_the_state(student):
    """The Jacobian is taken at the state that was given."""
    got = student.eigenvalues(lambda s: torch.stack([s[0] ** 2, 3 * s[1]]), numbers(2.0, 1.0))
    wrong = {"take the Jacobian at the state that was given, not at 0": torch.tensor([0 + 0j, 3 + 0j])}
    expect(in_order(got), torch.tensor([3 + 0j, 4 + 0j]), wrong)
    require(isinstance(got, Tensor), "return a tensor")
