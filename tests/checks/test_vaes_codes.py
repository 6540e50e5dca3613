"""Public points of 02_vaes, continued: images as whole numbers (see test_vaes.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

BOOK = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0]])
Z = torch.tensor([[0.2, -0.4], [3.0, -1.0], [0.4, 1.7], [8.0, 5.0], [1.3, 0.0]])
LEVELS = torch.tensor([3, 5, 2])


def leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_()


def slopes(value: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a value's sum; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function")
    return torch.autograd.grad(value.sum(), of, materialize_grads=True)


@task("vector_quantise")
def test_nearest_code(student):
    """Each latent gets the number of the nearest code."""
    distance = torch.cdist(Z, BOOK)
    wrong = {
        "these are the farthest codes": distance.argmax(1),
        "this compares inner products, in which long codes win: compare distances": (Z @ BOOK.T).argmax(1),
        "this compares directions only: compare distances": torch.tensor([1, 1, 2, 2, 1]),
        "this is the nearest latent of each code: the minimum runs over the codes": distance.argmin(0),
        "these are the codes, not their numbers": BOOK[distance.argmin(1)],
        "these are the distances: the number of the nearest is asked for": distance.min(1).values,
        "numbers of codes are int64": distance.argmin(1).float(),
        "this sums the differences with their signs: take squares": (Z[:, None] - BOOK).sum(2).argmin(1),
    }
    expect(student.nearest_code(Z, BOOK), torch.tensor([0, 1, 2, 1, 0]), wrong)


@task("vector_quantise")
def test_straight_through(student):
    """Forwards the code, backwards the latent."""
    z, code = leaf(Z), leaf(Z.round())
    got = student.straight_through(z, code)
    wrong = {
        "this is z: forwards the code must come out": Z,
        "this is code - z: add z": Z.round() - Z,
        "this is as far beyond z as the code is: code - z is added": 2 * Z - Z.round(),
    }
    expect(got, Z.round(), wrong)
    ones = torch.ones_like(Z)
    wrong = {
        "the gradient goes to the code, not to z: detach the difference code - z": (0 * ones, ones),
        "a gradient reaches the code as well: detach the whole difference": (ones, ones),
        "the gradients have cancelled: detach the difference, not z": (-ones, ones),
    }
    expect(slopes(got, z, code), (ones, 0 * ones), wrong)


@task("codebook_loss")
def test_codebook_loss_value(student):
    """The mean squared distance, once and once more with the weight of the commitment."""
    got = student.codebook_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 0.0]]), 0.25)
    wrong = {
        "this is the sum: take the mean over all numbers": torch.tensor(12.5),
        "this is the sum over each latent: take the mean over all numbers": torch.tensor(10.0),
        "the commitment is missing": torch.tensor(5.0),
        "only the commitment is there: the codes must learn too": torch.tensor(1.25),
        "the commitment needs its weight": torch.tensor(10.0),
        "the distance must be squared": torch.tensor(2.5),
    }
    expect(got, torch.tensor(6.25), wrong)


@task("codebook_loss")
def test_codebook_loss_gradients(student):
    """The codes move at full pace, the latents at that of the commitment."""
    z, code = leaf(torch.tensor([[1.0, 3.0]])), leaf(torch.tensor([[2.0, 0.0]]))
    to_code = torch.tensor([[-1.0, 3.0]])
    wrong = {
        "both terms move both: stop the gradient of z in the first, of the code in the second": (
            1.25 * to_code,
            -1.25 * to_code,
        ),
        "the stopped gradients have changed places: the first term moves the codes": (to_code, -0.25 * to_code),
        "no gradient reaches the latents: the second term moves them": (0 * to_code, -to_code),
        "no gradient reaches the latents: the second term moves them, not the codes": (0 * to_code, -1.25 * to_code),
        "no gradient reaches the codes: the first term moves them": (0.25 * to_code, 0 * to_code),
        "no gradient reaches the codes: the first term moves them, not the latents": (1.25 * to_code, 0 * to_code),
        "the first term moves the latents too: stop the gradient of z there": (1.25 * to_code, -to_code),
        "the second term moves the codes too: stop their gradient there": (0.25 * to_code, -1.25 * to_code),
    }
    got = student.codebook_loss(z, code, 0.25)
    expect(slopes(got, z, code), (0.25 * to_code, -to_code), wrong)


def squash(*shares: float) -> Tensor:
    """Real numbers which tanh brings to these."""
    return torch.atanh(torch.tensor([shares]))


@task("fsq")
def test_fsq_codes(student):
    """Each coordinate, squashed, is rounded to one of its levels from -1 to 1."""
    z = squash(0.8, -0.3, -0.2)
    found = student.fsq(z, LEVELS)
    require(isinstance(found, tuple | list) and len(found) == 2, "return two things: the codes and the tokens")
    wrong = {
        "the codes are not rounded": torch.tanh(z),
        "squash with tanh before you round": torch.tensor([[1.0, -0.5, -1.0]]).where(z > 0, torch.tensor([-1.0])),
        "these are the digits: bring them to [-1, 1]": torch.tensor([[2.0, 1.0, 0.0]]),
        "codes run from -1 to 1, not from 0 to 1": torch.tensor([[1.0, 0.25, 0.0]]),
        "L levels have L - 1 steps between them, not L": torch.tensor([[1.0, -0.2, 0.0]]),
        "round to the nearest level instead of down": torch.tensor([[0.0, -0.5, -1.0]]),
    }
    expect(found[0], torch.tensor([[1.0, -0.5, -1.0]]), wrong)


@task("fsq")
def test_fsq_tokens(student):
    """The levels' numbers are the digits of the token, the first the least."""
    _, tokens = student.fsq(torch.cat([squash(0.8, -0.3, -0.2), squash(0.9, 0.9, 0.9), squash(0.1, 0.6, 0.4)]), LEVELS)
    wrong = {
        "the first digit is the least, not the last": torch.tensor([22, 29, 17]),
        "a digit's worth is the product of the levels before it, without its own": torch.tensor([21, 96, 78]),
        "digits of mixed base need the product of all levels before them": torch.tensor([5, 19, 15]),
        "this is the sum of the digits: each has its own worth": torch.tensor([3, 7, 5]),
        "tokens are int64": torch.tensor([5.0, 29, 25]),
    }
    expect(tokens, torch.tensor([5, 29, 25]), wrong)


@task("fsq")
def test_fsq_gradient(student):
    """The gradient goes straight through the rounding, and through tanh as usual."""
    z = leaf(squash(0.8, -0.3, -0.2))
    codes, _ = student.fsq(z, LEVELS)
    require(codes.requires_grad, "rounding has no slope: add what it changes as a constant, as in task 9")
    wrong = {
        "rounding has no slope: add what it changes as a constant, as in task 9": torch.zeros(1, 3),
        "the gradient went past tanh: go straight through the rounding only": torch.ones(1, 3),
    }
    expect(*slopes(codes, z), torch.tensor([[0.36, 0.91, 0.96]]), wrong)


@task("fsq")
def test_fsq_lookup(student):
    """Each of the thirty tokens has its own code, and tokens may have any shape."""
    got = student.fsq_lookup(torch.tensor([[5, 29], [25, 0]]), LEVELS)
    want = torch.tensor([[[1.0, -0.5, -1], [1, 1, 1]], [[0, 0.5, 1], [-1, -1, -1]]])
    wrong = {
        "these are the digits: bring them to [-1, 1]": torch.tensor([[[2.0, 1, 0], [2, 4, 1]], [[1, 3, 1], [0, 0, 0]]]),
        "the first digit is the least, not the last": torch.tensor(
            [[[-1.0, 0.0, 1], [1, 1, 1]], [[1, 0, 1], [-1, -1, -1]]]
        ),
        "what stands above a digit must be taken off: % levels": torch.tensor(
            [[[4.0, -0.5, -1], [28, 3.5, 1]], [[24, 3, 1], [-1, -1, -1]]]
        ),
    }
    expect(got, want, wrong)
