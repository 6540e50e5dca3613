"""Public points of 06_applications, continued: what is odd, and where (see test_applications.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

# Two images of two channels, one row and two columns; two noises.
X = torch.tensor([[[1.0, 0], [0, 2]], [[-1, 1], [3, 0]]]).view(2, 2, 1, 2)
EPS = torch.tensor([[[2.0, -1], [0, 1]], [[0, 3], [-2, 1]]]).view(2, 2, 1, 2)
T = torch.tensor(0.25)


def bent(x_t: Tensor, t: Tensor) -> Tensor:
    """A denoiser that knows its time."""
    return x_t * x_t / 2 + t


@task("rebuilding_error")
def test_rebuilding_error_values(student):
    """Two images, two noises that both get: the mean square over noises and channels."""

    def drowned(noise: Tensor, a: float = 0.75, b: float = 0.25) -> Tensor:
        return a * X + b * noise

    def squares(guess: Tensor, other: Tensor = X) -> Tensor:
        return (guess - other).square()

    def over(reduced) -> Tensor:
        return torch.stack([reduced(drowned(noise)) for noise in EPS]).mean(0)

    right = over(lambda x_t: squares(bent(x_t, T)).mean(1))
    wrong = {
        "all images get the same noises: here each image has one of its own": squares(bent(drowned(EPS), T)).mean(1),
        "1 - t and t have changed places: t = 1 is noise": torch.stack(
            [squares(bent(drowned(noise, 0.25, 0.75), T)).mean(1) for noise in EPS]
        ).mean(0),
        "the image fades too: (1 - t) x + t eps": torch.stack(
            [squares(bent(drowned(noise, 1.0), T)).mean(1) for noise in EPS]
        ).mean(0),
        "this is the schedule on a circle: on the straight one the image is multiplied by 1 - t": torch.stack(
            [squares(bent(drowned(noise, math.sqrt(1 - 0.0625)), T)).mean(1) for noise in EPS]
        ).mean(0),
        "nothing was drowned: the denoiser gets x_t": squares(bent(X, T)).mean(1),
        "compare with the image, not with the drowned one": over(lambda x_t: squares(bent(x_t, T), x_t).mean(1)),
        "compare what was rebuilt, not what was drowned": over(lambda x_t: squares(x_t).mean(1)),
        "take squares, not absolute values": over(lambda x_t: (bent(x_t, T) - X).abs().mean(1)),
        "take the mean over the channels, not the sum": over(lambda x_t: squares(bent(x_t, T)).sum(1)),
        "take the mean over the noises, not the sum": 2 * right,
        "average the errors, not the guesses": squares(over(lambda x_t: bent(x_t, T))).mean(1),
        "all noises count, not only the first one": squares(bent(drowned(EPS[0]), T)).mean(1),
        "a map has no channels: take their mean": over(lambda x_t: squares(bent(x_t, T))),
        "a map (B, H, W) for each image, not one number": right.mean((1, 2)),
        "a map (B, H, W): the channels' axis is gone": right[:, None],
        "the denoiser is told the time t": over(lambda x_t: squares(bent(x_t, 1 - T)).mean(1)),
    }
    expect(student.rebuilding_error(bent, X, T, EPS), right, wrong)


@task("rebuilding_error")
def test_rebuilding_error_of_one_image(student):
    """The map of an image is the same alone and in a batch of three, and it carries no gradient."""
    weight, x = torch.tensor(0.5, requires_grad=True), torch.cat([X, X[:1]])
    together = student.rebuilding_error(lambda x_t, t: weight * x_t, x, T, EPS)
    alone = [student.rebuilding_error(lambda x_t, t: weight * x_t, x[i : i + 1], T, EPS) for i in range(3)]
    require(all(isinstance(part, Tensor) and part.shape == (1, 1, 2) for part in alone), "return (B, H, W)")
    expect(together, torch.cat(alone))
    expect(together[2], together[0])
    require(not together.requires_grad, "nothing is to be learnt here: work under torch.no_grad()")


SCORES = torch.tensor([0.5, 0.1, 0.5, 0.9, 0.3, 0.5, 0.5])
ODD = torch.tensor([True, False, False, True, False, True, True])


@task("auroc")
def test_auroc_values(student):
    """Four odd ones and three normal ones: of twelve pairs nine are in order, and three are ties."""
    order = SCORES.argsort(stable=True)
    unshared = torch.empty(7).scatter(0, order, torch.arange(1.0, 8))
    _, group, counts = SCORES.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    first, shared = last - counts + 1, last - (counts - 1) / 2

    def area(ranks: Tensor, less: float = 10.0) -> float:
        return (float(ranks[ODD].sum()) - less) / 12

    wrong = {
        "a tie counts as half, not as nothing": 9 / 12,
        "a tie counts as half, not as a whole": 1.0,
        "this is turned over: the odd ones should score high": 1 - 10.5 / 12,
        "ranks begin with 1": area(shared[group] - 1),
        "equal scores share the mean of their ranks, here they have several": area(unshared),
        "equal scores share the mean of their ranks, not the number of their group": area(group + 1.0),
        "equal scores share the mean of their ranks, not the last one": area(last[group]),
        "equal scores share the mean of their ranks, not the first one": area(first[group]),
        "argsort says who is at each rank: you need the rank of each": area(order + 1.0),
        "the ranks that the odd ones have among themselves are to be taken off: p (p + 1) / 2": area(
            shared[group], 0.0
        ),
        "take off p (p + 1) / 2, not p (p - 1) / 2": area(shared[group], 6.0),
        "divide by the number of pairs of an odd and a normal one": 10.5 / 21,
        "divide by the number of pairs of an odd and a normal one, not by all squared": 10.5 / 49,
        "this is the number of pairs in order: divide by all": 10.5,
        "sum the ranks of the odd ones, not of the normal ones": (float(shared[group][~ODD].sum()) - 6) / 12,
    }
    got = student.auroc(SCORES, ODD)
    require(not isinstance(got, Tensor), "return a number: float(…) makes one of a tensor")
    expect(got, 10.5 / 12, wrong)


@task("auroc")
def test_auroc_of_known_detectors(student):
    """A perfect detector has 1, its opposite 0, and one that always says the same a half."""
    labels = torch.tensor([False, True, True, False, True])
    expect(student.auroc(labels * 2.0, labels), 1.0)
    expect(student.auroc(-1.0 * labels, labels), 0.0)
    expect(
        student.auroc(torch.ones(5), labels), 0.5, {"a tie counts as half": 0.0, "a tie counts as half, not whole": 1.0}
    )


MAPS = torch.tensor([[[9.0, 9, 1, 9], [9, 9, 1, 1]], [[5, 1, 1, 1], [5, 1, 1, 9]]])
REGIONS = torch.tensor([[[1, 1, 0, 2], [1, 1, 0, 2]], [[3, 0, 0, 0], [0, 0, 0, 0]]])


@task("region_overlap")
def test_region_overlap_values(student):
    """Three faults of four, two and one pixels: found whole, by half, and just."""
    right, false = (1 + 0.5 + 1) / 3, 2 / 9
    wrong = {
        "each region counts alike: this counts pixels": (6 / 7, false),
        "mean over the regions, not over the pictures": ((5 / 6 + 1) / 2, false),
        "a pixel whose number is the threshold is marked: >=, not >": ((1 + 0.5 + 0) / 3, 1 / 9),
        "marked is what is not below the threshold": ((0 + 0.5 + 1) / 3, 8 / 9),
        "marked is what is not below the threshold, the rest is not": ((0 + 0.5 + 0) / 3, 7 / 9),
        "false alarms are a share of the good pixels, not of all": (right, 2 / 16),
        "false alarms are a share of the good pixels, not of the marked ones": (right, 2 / 8),
        "this is the share of good pixels that are left alone: 1 minus it is asked for": (right, 1 - false),
        "the good pixels are no region: leave out number 0": ((1 + 0.5 + 1 + false) / 4, false),
        "this divides by what is in either: the overlap is a share of the region": (
            (4 / 8 + 1 / 9 + 1 / 8) / 3,
            false,
        ),
        "a region counts by the share that is found: a single pixel is not all of it": (1.0, false),
        "overlap comes first, then the false alarms": (false, right),
        "return both, overlap and false": right,
    }
    got = student.region_overlap(MAPS, REGIONS, 5.0)
    numbers = not any(isinstance(part, Tensor) for part in (got if isinstance(got, tuple) else ()))
    require(numbers, "return numbers: float(…) makes one of a tensor")
    expect(got, (right, false), wrong)


@task("region_overlap")
def test_region_overlap_at_both_ends(student):
    """A threshold below everything marks all, one above everything nothing."""
    expect(student.region_overlap(MAPS, REGIONS, 0.0), (1.0, 1.0))
    expect(student.region_overlap(MAPS, REGIONS, 10.0), (0.0, 0.0))
