"""Hidden points of 06_applications, continued: small pictures made large (see test_applications.py)."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def gradients(value: object, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value; 0 for what it does not depend on."""
    require(
        isinstance(value, Tensor) and value.requires_grad, "no gradient passes through your function: detach nothing"
    )
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True, retain_graph=True)


def means(x: Tensor, factor: int) -> Tensor:
    """What `downscaled` asks for, block by block."""
    h, w = (length // factor for length in x.shape[2:])
    rows = [x[:, :, i * factor : (i + 1) * factor] for i in range(h)]
    cut = [row[..., j * factor : (j + 1) * factor].flatten(2).mean(2) for row in rows for j in range(w)]
    return torch.stack(cut, -1).view(*x.shape[:2], h, w)


def repeated(low: Tensor, factor: int) -> Tensor:
    rows = torch.arange(low.shape[2] * factor) // factor
    return low[:, :, rows][..., torch.arange(low.shape[3] * factor) // factor]


sizes = pytest.mark.parametrize(
    ("shape", "factor"), [((4, 4, 4, 4), 2), ((2, 3, 6, 12), 3), ((3, 1, 8, 4), 4)], ids=["cube", "oblong", "four"]
)


@task("back_projection")
@sizes
def test_downscaled(student, rng, shape, factor):
    """Random pictures: values and gradients."""
    x = normal(rng, *shape).requires_grad_()
    right = means(x, factor)
    h, w = shape[2] // factor, shape[3] // factor
    wrong = {
        "this is one pixel of each block": x[:, :, ::factor, ::factor],
        "this is the sum of each block": factor**2 * right,
        "the inside of the blocks stands on axes 3 and 5": x.reshape(*shape[:2], factor, h, factor, w).mean((2, 4)),
        "rows are to be averaged as well": x.reshape(*shape[:3], w, factor).mean(4),
        "columns are to be averaged as well": x.reshape(*shape[:2], h, factor, shape[3]).mean(3),
        "bicubic curves": interpolate(x.detach(), (h, w), mode="bicubic", antialias=True),
    }
    got = student.downscaled(x, factor)
    expect(got, right, wrong)
    weight = normal(rng, *right.shape)
    expect(gradients(got, weight, x), gradients(right, weight, x))


@task("back_projection")
@sizes
def test_back_projected(student, rng, shape, factor):
    """Random pictures, large and small: values and gradients."""
    student.downscaled = means
    x, low = normal(rng, *shape).requires_grad_(), normal(rng, *shape[:2], *(n // factor for n in shape[2:]))
    low.requires_grad_()
    missing = low - means(x, factor)
    added = repeated(missing, factor)
    wrong = {
        "the sign is turned": x - added,
        "add what is missing only": x + repeated(low, factor),
        "this is low made large": repeated(low, factor),
        "puts nothing in their place": x - repeated(means(x, factor), factor),
        "do not divide by the block's size": x + added / factor**2,
        "do not divide by the factor": x + added / factor,
        "no more": x + factor**2 * added,
        "each number becomes a block": x + missing.repeat(1, 1, factor, factor),
        "made smooth, what is missing no longer fits": x
        + interpolate(missing.detach(), scale_factor=factor, mode="bilinear"),
        "add, do not multiply": x * repeated(low / means(x, factor), factor),
        "return the picture": added,
    }
    got, right = student.back_projected(x, low, factor), x + added
    expect(got, right, wrong)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, x, low), gradients(right, weight, x, low), atol=1e-4)


@task("back_projection")
def test_the_nearest_picture(student, rng):
    """No other picture that fits is nearer: what changes is at right angles to all that may still be chosen."""
    student.downscaled = means
    x, low, other = normal(rng, 2, 2, 6, 6), normal(rng, 2, 2, 2, 2), normal(rng, 2, 2, 6, 6)
    projected = student.back_projected(x, low, 3)
    require(isinstance(projected, Tensor) and projected.shape == x.shape, "return pictures of the shape of x")
    expect(means(projected, 3), low, {"made small again, this is not the small picture": means(x, 3)})
    fits = other + repeated(low - means(other, 3), 3)
    angle = ((projected - x) * (fits - projected)).flatten(1).sum(1)
    expect(angle, torch.zeros(2), {"this fits, but there is a nearer picture": torch.ones(2)}, atol=1e-4)


@task("distortions")
@pytest.mark.parametrize(
    ("draws", "shape"), [(4, (4, 4, 4, 4)), (5, (3, 1, 2, 6)), (2, (6, 2, 3, 3))], ids=["cube", "oblong", "two"]
)
def test_distortions(student, rng, draws, shape):
    """Random images and draws: values and gradients."""
    x0, x = normal(rng, *shape), (normal(rng, draws, *shape) + normal(rng, *shape)).requires_grad_()
    average = sum(x) / draws
    squares = sum((part - average).square() for part in x)
    one, averaged = sum((part - x0).square().mean() for part in x) / draws, (average - x0).square().mean()
    spread = squares.mean() / (draws - 1)
    right = one, averaged - spread / draws
    wrong = {
        "the variance over the draws is to be taken off": (one, averaged),
        "take the unbiased variance": (one, averaged - squares.mean() / draws**2),
        "divide the variance by K": (one, averaged - spread),
        "the variance is to be taken off, not added": (one, averaged + spread / draws),
        "take off the variance, not the standard deviation": (
            one,
            averaged - (squares / (draws - 1)).sqrt().mean() / draws,
        ),
        "it assumes what is to be tested": (one, one / 2),
        "all draws count": ((x[0] - x0).square().mean(), right[1]),
        "the first number is the error of a draw": (averaged, right[1]),
        "these are roots": (one.sqrt(), right[1].clamp(min=0).sqrt()),
        "the error of a draw comes first": right[::-1],
        "return both, one and least": one,
    }
    if draws == shape[0]:
        swapped = (x.mean(1) - x0).square().mean() - x.var(1).mean() / draws
        wrong["average over the draws, axis 0"] = (one, swapped)
    got = student.distortions(x0, x)
    expect(got, right, wrong)
    for value, known in zip(got, right):
        expect(gradients(value, torch.ones(()), x), gradients(known, torch.ones(()), x), atol=1e-4)
