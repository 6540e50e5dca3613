"""Public points of 01_gans, continued: what was forgotten, labels, averages, noise (see test_gans.py)."""

from math import cos, radians, sin, sqrt, tanh
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def numbers(*values: float) -> Tensor:
    return torch.tensor(values)


@task("coverage")
def test_coverage_values(student):
    """Good samples lie within three standard deviations of a mean; a mode needs a tenth of its share of them."""
    means = torch.tensor([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0], [40.0, 40.0]])
    places = torch.tensor([[1.0, 0.0], [44.4, 4.4], [0.0, 44.0], [0.0, 42.8], [40.0, 42.3], [40.0, 50.0]])
    counts = torch.tensor([200, 180, 30, 7, 5, 18])  # good; 6.2 away; good; good; good, but stray; nowhere
    got = student.coverage(places.repeat_interleave(counts, 0), means, 2.0)
    wrong = {
        "a stray sample is no find: a mode needs a tenth of its share": (3, 242 / 440),
        "a mode's share is N / K, not N": (1, 242 / 440),
        "only good samples count for a mode": (4, 242 / 440),
        "only good samples count": (4, 1.0),
        "the distance is that in the plane, not that along each axis": (3, 422 / 440),
        "three standard deviations, not 3": (1, 212 / 440),
        "the distance must not be squared": (1, 205 / 440),
        "this is one standard deviation, not three": (1, 200 / 440),
        "the second number is the share of good samples, not of modes": (2, 0.5),
        "the second number is a share, not a count": (2, 242.0),
        "return numbers: .item()": (torch.tensor(2), torch.tensor(242 / 440)),
    }
    expect(got, (2, 242 / 440), wrong)


@task("coverage")
def test_coverage_of_nothing(student):
    """Samples that lie nowhere are counted too."""
    got = student.coverage(torch.full((200, 2), 5.0), torch.tensor([[0.0, 0.0], [10.0, 0.0]]), 1.0)
    expect(got, (0, 0.0))


@task("projection_score")
def test_projection_score_values(student):
    """Each image's features with w and the vector of its own label."""
    features, y = torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([2, 0])
    w, v = numbers(0.5, 1.0), torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    wrong = {
        "the part without the label, w, is missing": numbers(0.0, 3.0),
        "the part of the label, v[y], is missing": numbers(2.5, 0.5),
        "sum over the features, not over the images": numbers(7.0, -1.0),
        "the inner product is a sum: this is the mean": numbers(1.25, 1.75),
        "each image has the vector of its label: v[y]": numbers(3.5, -0.5),
        "this scores each image for all labels": torch.tensor([[3.5, 4.5, 2.5], [3.5, -0.5, 7.5]]),
        "this pairs each image with every label of the batch": torch.tensor([[2.5, 3.5], [7.5, 3.5]]),
        "sum over the features: one score an image": torch.tensor([[2.5, 0.0], [4.5, -1.0]]),
    }
    expect(student.projection_score(features, y, w, v), numbers(2.5, 3.5), wrong)


def two_states() -> tuple[dict, dict]:
    average = {"weight": numbers(1.0, 2.0), "batches": torch.tensor(3)}
    weights = {"weight": numbers(3.0, -2.0).requires_grad_(), "batches": torch.tensor(7)}
    return average, weights


@task("ema_update")
@pytest.mark.in_place
def test_ema_update_values(student):
    """The average keeps its share `decay`; counters are copied."""
    average, weights = two_states()
    held = dict(average)
    student.ema_update(average, weights, 0.75)
    old, seven = average["weight"], torch.tensor(7)
    hint = "the averaged network holds the tensors that you were given: change them in place"
    require(torch.equal(held["weight"], old), hint)
    wrong = {
        "the average has not changed": two_states()[0],
        "decay is the share of the past, not of the new weights": {"weight": numbers(2.5, -1.0), "batches": seven},
        "these are the current weights, not an average": {"weight": numbers(3.0, -2.0), "batches": seven},
        "whole numbers are copied": {"weight": numbers(1.5, 1.0), "batches": torch.tensor(3)},
        "whole numbers are copied, not averaged": {"weight": numbers(1.5, 1.0), "batches": torch.tensor(4)},
        "the past is not weighted by decay": {"weight": numbers(1.75, 1.5), "batches": seven},
    }
    expect(held, {"weight": numbers(1.5, 1.0), "batches": seven}, wrong)


@task("ema_update")
@pytest.mark.in_place
def test_ema_update_touches_nothing_else(student):
    """No gradients are recorded, and the weights stay as they are."""
    average, weights = two_states()
    before = weights["weight"].detach().clone()
    student.ema_update(average, weights, 0.75)
    require(not average["weight"].requires_grad, "the average carries gradients: work under torch.no_grad()")
    require(torch.equal(weights["weight"].detach(), before), "the current weights were changed instead of the average")


@task("latents")
def test_slerp_values(student):
    """A third of the way along each row's own arc."""
    a = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    b = torch.tensor([[0.0, 3.0], [2 * sin(radians(60)), 1.0]])  # 90 and 60 degrees away
    got = student.slerp(a, b, 1 / 3)
    third = 2 * sin(radians(20)), 2 * cos(radians(20))
    straight = 2 / 3 * a + b / 3
    onto = straight / straight.norm(dim=1, keepdim=True) * numbers(3.0, 2.0)[:, None]
    unscaled = torch.tensor([[1.5 * sqrt(3), 1.5], [third[0] * sin(radians(60)), third[1] * sin(radians(60))]])
    wrong = {
        "this is the straight line": straight,
        "this is the straight line pushed out to the sphere: it does not go at constant speed": onto,
        "t = 0 is a, t = 1 is b": torch.tensor([[1.5, 1.5 * sqrt(3)], [2 * sin(radians(40)), 2 * cos(radians(40))]]),
        "divide by the sine of the angle": unscaled,
    }
    expect(got, torch.tensor([[1.5 * sqrt(3), 1.5], third]), wrong)


@task("latents")
def test_slerp_ends(student):
    """The path begins at a and ends at b, also where their norms differ."""
    a, b = torch.tensor([[1.0, 2.0, 2.0], [0.5, 0.0, 0.0]]), torch.tensor([[0.0, -4.0, 3.0], [0.5, 0.5, 0.0]])
    hint = "each row has its own angle: take it along the last axis"
    for t, end in ((0.0, a), (1.0, b)):
        expect(student.slerp(a, b, t), end, {hint: torch.full_like(a, torch.nan)})


@task("latents")
def test_truncated_values(student):
    """Each number keeps its rank, among the truncated ones."""
    normal, z = NormalDist(), (0.0, 1.0, -2.0, 9.0)

    def rank(value: float) -> float:
        return normal.inv_cdf(normal.cdf(-1.5) + normal.cdf(value) * (normal.cdf(1.5) - normal.cdf(-1.5)))

    hot = [2 * normal.cdf(sqrt(2) * value) - 1 for value in z]  # erf without the root
    wrong = {
        "clamping piles noise up at the limits: keep the ranks": numbers(0.0, 1.0, -1.5, 1.5),
        "scaling keeps a normal distribution, only narrower: cut it off": numbers(0.0, 1.5, -3.0, 13.5),
        "this squashes with tanh: keep the ranks": numbers(*[1.5 * tanh(value / 1.5) for value in z]),
        "this is uniform noise: go back from ranks to normal numbers": numbers(
            *[1.5 * (2 * normal.cdf(value) - 1) for value in z]
        ),
        "erf is of z / sqrt(2)": torch.erfinv((2 * normal.cdf(1.5 * sqrt(2)) - 1) * numbers(*hot)),
        "take noise back from erf's unit: multiply by sqrt(2)": numbers(*map(rank, z)) / sqrt(2),
    }
    expect(student.truncated(numbers(*z), 1.5), numbers(*map(rank, z)), wrong)
