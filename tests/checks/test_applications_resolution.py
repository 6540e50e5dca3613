"""Public points of 06_applications, continued: small pictures made large (see test_applications.py)."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def blocks(x: Tensor, factor: int) -> Tensor:
    """What `downscaled` should do, so that a mistake in it is not punished twice."""
    return x.unfold(2, factor, factor).unfold(3, factor, factor).mean((4, 5))


def spread(low: Tensor, factor: int) -> Tensor:
    """Each number as a block."""
    return interpolate(low, scale_factor=factor, mode="nearest")


@task("back_projection")
def test_downscaled_values(student):
    """Blocks of three by three pixels: each becomes its mean."""
    x = (torch.arange(144.0) ** 1.5 % 17).view(2, 2, 6, 6)
    cut = x.view(2, 2, 2, 3, 2, 3)
    wrong = {
        "this is one pixel of each block: take the mean of all": x[:, :, ::3, ::3],
        "this is the middle of each block: take the mean of all": x[:, :, 1::3, 1::3],
        "this is the sum of each block: take the mean": 9 * blocks(x, 3),
        "this is the largest number of each block: take the mean": max_pool2d(x, 3),
        "the inside of the blocks stands on axes 3 and 5": x.view(2, 2, 3, 2, 3, 2).mean((2, 4)),
        "the inside of the blocks stands on axes 3 and 5: cut into (h / f, f)": x.view(2, 2, 3, 2, 3, 2).mean((3, 5)),
        "this mixes pixels that lie f apart: cut into (h / f, f) and average over the second": x.view(
            2, 2, 3, 2, 3, 2
        ).mean((2, 4)),
        "rows are to be averaged as well": x.view(2, 2, 6, 2, 3).mean(4),
        "columns are to be averaged as well": cut.mean(3).flatten(3),
        "bicubic curves reach beyond the block": interpolate(x, (2, 2), mode="bicubic", antialias=True),
    }
    expect(student.downscaled(x, 3), blocks(x, 3), wrong)


X = torch.tensor([[1.0, 3, 0, 0], [5, 7, 0, 4], [1, 1, 2, 2], [1, 1, 2, 6]]).view(1, 1, 4, 4)
LOW = torch.tensor([[5.0, 1], [0, 4]]).view(1, 1, 2, 2)


@task("back_projection")
def test_back_projected_values(student):
    """Four blocks with the means 4, 1, 1 and 3 become 5, 1, 0 and 4."""
    student.downscaled = blocks
    missing = torch.tensor([[1.0, 0], [-1, 1]]).view(1, 1, 2, 2)
    corner = X.clone()
    corner[:, :, ::2, ::2] += 4 * missing
    wrong = {
        "the sign is turned: add what is missing, low - downscaled(x)": X - spread(missing, 2),
        "add what is missing only, not all of low": X + spread(LOW, 2),
        "this is low made large: x is lost": spread(LOW, 2),
        "this takes the means away and puts nothing in their place": X - spread(blocks(X, 2), 2),
        "the mean of a block is to change by all of what is missing: do not divide by the block's size": (
            X + spread(missing, 2) / 4
        ),
        "the mean of a block is to change by what is missing: do not divide by the factor": X + spread(missing, 2) / 2,
        "the mean of a block changes by what is missing, no more": X + 4 * spread(missing, 2),
        "each number becomes a block: `repeat` puts copies of the whole picture side by side": (
            X + missing.repeat(1, 1, 2, 2)
        ),
        "made smooth, what is missing no longer fits: repeat each number": X
        + interpolate(missing, scale_factor=2, mode="bilinear"),
        "this fits to low but is not the nearest picture that does: all pixels of a block change alike": corner,
        "this fits to low but is not the nearest picture that does: add, do not multiply": X
        * spread(LOW / blocks(X, 2), 2),
        "return the picture, not what is added": spread(missing, 2),
    }
    expect(student.back_projected(X, LOW, 2), X + spread(missing, 2), wrong)


@task("back_projection")
def test_back_projection_is_a_projection(student):
    """What fits already does not change, so that the second time nothing happens; and black fits to black."""
    student.downscaled = blocks
    x, low = torch.arange(96.0).sin().view(1, 2, 6, 8), torch.arange(24.0).cos().view(1, 2, 3, 4)
    once = student.back_projected(x, low, 2)
    require(isinstance(once, Tensor) and once.shape == x.shape, "return pictures of the shape of x")
    expect(blocks(once, 2), low, {"made small again, this is not the small picture": blocks(x, 2)})
    expect(student.back_projected(once, low, 2), once)
    expect(student.back_projected(x, blocks(x, 2), 2), x)


# Two draws of two images of one row and two columns.
TRUTH = torch.tensor([[1.0, 0], [2, -1]]).view(2, 1, 1, 2)
DRAWS = torch.tensor([[[3.0, 0], [2, 1]], [[1, 2], [4, -2]]]).view(2, 2, 1, 1, 2)


@task("distortions")
def test_distortions_values(student):
    """Two images, two draws each."""
    average, flipped = DRAWS.mean(0), DRAWS.mean(1)
    one, averaged = (DRAWS - TRUTH).square().mean(), (average - TRUTH).square().mean()
    spread, narrow = DRAWS.var(0).mean(), DRAWS.var(0, unbiased=False).mean()
    least = averaged - spread / 2
    across = (flipped - TRUTH).square().mean() - DRAWS.var(1).mean() / 2
    wrong = {
        "the variance over the draws is to be taken off: their mean is not the posterior mean yet": (one, averaged),
        "take the unbiased variance: the one that divides by K - 1": (one, averaged - narrow / 2),
        "divide the variance by K: that is by how much the mean of K draws varies": (one, averaged - spread),
        "the variance is to be taken off, not added": (one, averaged + spread / 2),
        "take off the variance, not the standard deviation": (one, averaged - DRAWS.std(0).mean() / 2),
        "average over the draws, axis 0, not over the images": (one, across),
        "this is half of the error of a draw: it assumes what is to be tested": (one, one / 2),
        "all draws count, not only the first one": ((DRAWS[0] - TRUTH).square().mean(), least),
        "the first number is the error of a draw, this is that of the mean of all": (averaged, least),
        "these are sums: take means": (
            (DRAWS - TRUTH).square().sum(),
            (average - TRUTH).square().sum() - DRAWS.var(0).sum() / 2,
        ),
        "these are roots: the factor of two is that of squares": (one.sqrt(), least.sqrt()),
        "take squares, not absolute values": (
            (DRAWS - TRUTH).abs().mean(),
            (average - TRUTH).abs().mean() - spread / 2,
        ),
        "the error of a draw comes first, then the least": (least, one),
        "return both, one and least": one,
    }
    expect(student.distortions(TRUTH, DRAWS), (one, least), wrong)


@task("distortions")
def test_distortions_of_a_function(student):
    """A model that always draws the same makes one error, whatever the number of its draws; a perfect one, none."""
    x, same = torch.zeros(3, 1, 2, 2), torch.full((5, 3, 1, 2, 2), 0.5)
    expect(student.distortions(x, same), (torch.tensor(0.25), torch.tensor(0.25)))
    expect(student.distortions(x, 0 * same), (torch.tensor(0.0), torch.tensor(0.0)))
