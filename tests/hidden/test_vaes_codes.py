"""Hidden points of 02_vaes, continued: images as whole numbers (see test_vaes.py).

Vectors are drawn where no rounding can change what is nearest: the runner-up is farther by 0.05 at least, and
coordinates keep 0.1 steps from the middle between two levels.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value, which must be differentiable; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function")
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True)


@task("vector_quantise")
@pytest.mark.parametrize(("n", "codes", "dim"), [(4, 4, 4), (40, 7, 3)], ids=["cube", "oblong"])
def test_nearest_code(student, rng, n, codes, dim):
    """Random latents and codes."""
    book, drawn = normal(rng, codes, dim), 1.5 * normal(rng, 100 + n, dim)
    distance = (drawn[:, None] - book).square().sum(2).sqrt()
    best, second = distance.sort(1).values[:, :2].T
    z, distance = (part[second - best > 0.05][:n] for part in (drawn, distance))
    right = distance.argmin(1)
    units = book / book.norm(dim=1, keepdim=True)
    wrong = {
        "these are the farthest codes": distance.argmax(1),
        "compare distances, not inner products": (z @ book.T).argmax(1),
        "compare distances, not directions": (z @ units.T).argmax(1),
        "the minimum runs over the codes": distance.argmin(0),
        "these are the codes, not their numbers": book[right],
        "these are the distances, not the codes' numbers": distance.amin(1),
        "numbers of codes are int64": right.float(),
        "take squares of the differences": (z[:, None] - book).sum(2).argmin(1),
        "take squares of the differences, not absolute values": (z[:, None] - book).abs().sum(2).argmin(1),
    }
    expect(student.nearest_code(z, book), right, wrong)


@task("vector_quantise")
def test_straight_through(student, rng):
    """Random latents and codes: value and gradients."""
    z, code, weight = (normal(rng, 5, 3) for _ in range(3))
    z.requires_grad_(), code.requires_grad_()
    got = student.straight_through(z, code)
    wrong = {
        "this is z: forwards the code must come out": z,
        "this is code - z: add z": code - z,
        "code - z is added": 2 * z - code,
    }
    expect(got, code, wrong)
    wrong = {
        "the gradient goes to the code, not to z": (0 * weight, weight),
        "a gradient reaches the code as well": (weight, weight),
        "the gradients have cancelled": (-weight, weight),
    }
    expect(gradients(got, weight, z, code), (weight, 0 * weight), wrong)


@task("codebook_loss")
def test_codebook_loss(student, rng):
    """Random latents, codes and commitments: value and gradients."""
    z, code, c = normal(rng, 5, 3), normal(rng, 5, 3), float(between(rng, 0.1, 0.4))
    z.requires_grad_(), code.requires_grad_()
    far = (z - code).detach()
    once, pull = far.square().mean(), 2 * far / 15
    got = student.codebook_loss(z, code, c)
    wrong = {
        "this is the sum: take the mean": (1 + c) * far.square().sum(),
        "this is the sum over each latent: take the mean": (1 + c) * far.square().sum(1).mean(),
        "the commitment is missing": once,
        "the codes must learn too": c * once,
        "the commitment needs its weight": 2 * once,
        "the distance must be squared": (1 + c) * far.abs().mean(),
    }
    expect(got, (1 + c) * once, wrong)
    wrong = {
        "both terms move both: stop the gradients": ((1 + c) * pull, -(1 + c) * pull),
        "the stopped gradients have changed places": (pull, -c * pull),
        "no gradient reaches the latents": (0 * pull, -pull),
        "no gradient reaches the latents: the second term moves them": (0 * pull, -(1 + c) * pull),
        "no gradient reaches the codes": (c * pull, 0 * pull),
        "no gradient reaches the codes: the first term moves them": ((1 + c) * pull, 0 * pull),
        "the first term moves the latents too": ((1 + c) * pull, -pull),
        "the second term moves the codes too": (c * pull, -(1 + c) * pull),
    }
    expect(gradients(got, torch.ones(()), z, code), (c * pull, -pull), wrong)


def drawn_digits(rng: torch.Generator, levels: Tensor, *shape: int) -> tuple[Tensor, Tensor]:
    """Random digits (..., D), and real numbers which belong to them."""
    digits = (torch.rand((*shape, len(levels)), generator=rng, device="cpu") * levels).long()
    off = between(rng, -0.4, 0.4, *digits.shape)
    share = ((digits + off) / (levels - 1)).clamp(0.02, 0.98)
    return digits, torch.atanh(2 * share - 1)


def token(digits: Tensor, worths: list[int]) -> Tensor:
    return sum(digits[..., i] * worth for i, worth in enumerate(worths))


@task("fsq")
@pytest.mark.parametrize("shape", [(9,), (2, 3, 4)], ids=["row", "map"])
def test_fsq(student, rng, shape):
    """Random vectors of any shape: codes, tokens and gradients."""
    levels = torch.tensor([3, 5, 2, 4])
    digits, z = drawn_digits(rng, levels, *shape)
    weight, squashed = normal(rng, *z.shape), torch.tanh(z)
    z.requires_grad_()
    found = student.fsq(z, levels)
    require(isinstance(found, tuple | list) and len(found) == 2, "return two things: the codes and the tokens")
    codes, tokens = found
    right = 2 * digits / (levels - 1) - 1
    wrong = {
        "the codes are not rounded": squashed,
        "these are the digits: bring them to [-1, 1]": digits.float(),
        "codes run from -1 to 1, not from 0 to 1": digits / (levels - 1),
        "L levels have L - 1 steps between them": 2 * ((squashed + 1) / 2 * levels).round() / levels - 1,
        "round to the nearest level instead of down": 2 * ((squashed + 1) / 2 * (levels - 1)).floor() / (levels - 1)
        - 1,
    }
    expect(codes, right, wrong)
    right = token(digits, [1, 3, 15, 30])
    wrong = {
        "the first digit is the least, not the last": token(digits, [40, 8, 4, 1]),
        "a digit's worth is the product of the levels before it": token(digits, [3, 15, 30, 120]),
        "digits of mixed base need all levels before them": token(digits, [1, 3, 5, 2]),
        "this is the sum of the digits": digits.sum(-1),
        "tokens are int64": right.float(),
    }
    expect(tokens, right, wrong)
    require(codes.requires_grad, "rounding has no slope: add what it changes as a constant")
    want = weight * (1 - squashed**2)
    wrong = {"rounding has no slope": (0 * weight,), "the gradient went past tanh": (weight,)}
    expect(gradients(codes, weight, z), (want,), wrong)


@task("fsq")
@pytest.mark.parametrize("shape", [(9,), (2, 3, 4)], ids=["row", "map"])
def test_fsq_lookup(student, rng, shape):
    """Random tokens of any shape."""
    levels, last = torch.tensor([3, 5, 2, 4]), torch.tensor([4, 2, 5, 3])
    tokens = torch.randint(120, shape, generator=rng, device="cpu")

    def taken(levels: Tensor) -> Tensor:
        rest, digits = tokens, []
        for level in levels.tolist():
            digits.append(rest % level)
            rest = rest // level
        return torch.stack(digits, -1)

    def code(digits: Tensor) -> Tensor:
        return 2 * digits / (levels - 1) - 1

    whole = tokens[..., None] // torch.tensor([1, 3, 15, 30])
    wrong = {
        "these are the digits: bring them to [-1, 1]": taken(levels).float(),
        "the first digit is the least, not the last": code(taken(last).flip(-1)),
        "what stands above a digit must be taken off: % levels": code(whole),
        "codes run from -1 to 1, not from 0 to 1": taken(levels) / (levels - 1),
    }
    expect(student.fsq_lookup(tokens, levels), code(taken(levels)), wrong)
