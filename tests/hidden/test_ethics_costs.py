"""Hidden points of 07_ethics, continued: who was in the training set, and what it cost (see test_ethics.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


@task("membership")
@pytest.mark.parametrize("shape", [(4, 4, 4, 4), (5, 3, 2, 6), (2, 1, 3, 3)], ids=["cube", "oblong", "two"])
def test_membership(student, rng, shape):
    """Random pictures, times and noises under a random model, picture by picture and number by number."""
    count = {4: 4, 5: 3, 2: 6}[shape[0]]
    x, noises, times = normal(rng, *shape), normal(rng, count, *shape[1:]), between(rng, 0.1, 0.9, count)
    slope, bend = between(rng, 0.3, 0.8, *shape[1:]), float(between(rng, 0.1, 0.3))
    calls = []

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        calls.append((tuple(x_t.shape), tuple(t.shape)))
        return slope * x_t + bend * x_t**2 - t

    def errors(mix=lambda x, t, z: x + t * (z - x), target=lambda x, t, z: z - x, power=2) -> Tensor:
        rows = []
        for t, z in zip(times, noises):
            seen = mix(x, t, z)
            rows.append((slope * seen + bend * seen**2 - t - target(x, t, z)).abs() ** power)
        return torch.stack(rows).flatten(2)  # (T, N, D)

    each = errors()
    right = -each.mean((0, 2))
    wrong = {
        "the sign is turned": -right,
        "x and the noise have changed places": -errors(mix=lambda x, t, z: z + t * (x - z)).mean((0, 2)),
        "x must be multiplied by 1 - t": -errors(mix=lambda x, t, z: x + t * z).mean((0, 2)),
        "the model has to see x_t": -errors(mix=lambda x, t, z: x).mean((0, 2)),
        "a flow's target is noise - x, not x": -errors(target=lambda x, t, z: x).mean((0, 2)),
        "a flow's target is noise - x, not the noise": -errors(target=lambda x, t, z: z).mean((0, 2)),
        "the target's sign is turned": -errors(target=lambda x, t, z: x - z).mean((0, 2)),
        "the mean over the numbers of a picture": -each.sum(2).mean(0),
        "the mean over the times": -each.mean(2).sum(0),
        "all times count": -each[-1].mean(1),
        "all times count, not only the first": -each[0].mean(1),
        "the square of the error": -errors(power=1).mean((0, 2)),
        "no root is taken": -each.mean(2).sqrt().mean(0),
        "return a score for each picture": -each.mean(),
        "return a score for each picture, not for each time": -each.mean((1, 2)),
        "return the mean over the times": -each.mean(2),
    }
    expect(student.membership(velocity, x, times, noises), right, wrong, rtol=1e-4)
    require(len(calls) == count, "call the model once for each time, with all pictures at once")
    require(set(calls) == {(tuple(shape), ())}, "give the model all pictures at once, and the time as a tensor ()")


@task("membership")
def test_membership_keeps_no_gradient(student, rng):
    """A model with weights, and pictures that would like a gradient: none is kept."""
    x, noises, times = normal(rng, 3, 1, 2, 2), normal(rng, 2, 1, 2, 2), between(rng, 0.2, 0.8, 2)
    weight = between(rng, 0.5, 1.5).requires_grad_()
    got = student.membership(lambda x_t, t: weight * x_t, x.requires_grad_(), times, noises)
    off = [weight * ((1 - t) * x + t * z) - z + x for t, z in zip(times, noises)]
    expect(got, -torch.stack(off).square().mean((0, 2, 3, 4)))
    require(not got.requires_grad, "this is a question, not a lesson")


@task("footprint")
@pytest.mark.parametrize("readings", [2, 9, 40])
def test_footprint(student, rng, readings):
    """Random readings at random times, as seconds since 1970, some of them below idling."""
    steps = between(rng, 0.05, 8, readings - 1).double()
    steps[0] = 20.0
    seconds = 1_700_000_000 + torch.cat([torch.zeros(1, dtype=torch.float64), steps.cumsum(0)])
    steps = seconds.diff()
    watts = between(rng, 20, 200, readings).double()
    idle, pue, intensity = (float(between(rng, low, high)) for low, high in ((40, 60), (1.1, 1.9), (50, 900)))
    middle = (watts[1:] + watts[:-1]) / 2
    energy = sum(((middle - idle) * steps).tolist())
    joules = torch.tensor(energy, dtype=torch.float64)
    whole = joules + idle * steps.sum()

    def told(j: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        return j, j / 3.6e6 * pue * intensity * scale

    wrong = {
        "what the machine draws idly does not count": told(whole),
        "idling takes power all the time": told(whole - idle),
        "between two readings take their mean": told(((watts[:-1] - idle) * steps).sum()),
        "between two readings take their mean, not the later one": told(((watts[1:] - idle) * steps).sum()),
        "PUE is missing in the grams": told(joules, 1 / pue),
        "times PUE, not divided by it": told(joules, 1 / pue**2),
        "PUE belongs to the grams": (pue * joules, told(joules)[1]),
        "PUE belongs to the grams, and only once": told(pue * joules),
        "a kilowatt hour is 3.6 million joules": told(joules, 1000.0),
        "return joules": (joules / 3.6e6, told(joules)[1]),
        "joules come first": told(joules)[::-1],
        "return both": told(joules)[1],
    }
    if readings > 2:
        wrong |= {
            "each step has its own length": told((middle - idle).mean() * steps.sum()),
            "the mean of all times the duration is not the area": told((watts - idle).mean() * steps.sum()),
            "the steps are not of one second": told((middle - idle).sum()),
            "do not cut off what is below P_0": told(torch.trapezoid((watts - idle).clamp(min=0), seconds)),
        }
    expect(student.footprint(seconds, watts, idle, pue, intensity), told(joules), wrong)


@task("footprint")
def test_footprint_adds_up(student, rng):
    """Two halves of a trace cost what the whole costs, and a reading on the line between two others changes nothing."""
    seconds = 1_750_000_000 + between(rng, 0.01, 0.3, 21).double().cumsum(0)
    watts = between(rng, 80, 300, 21).double()
    whole, first, second = (student.footprint(seconds[part], watts[part], 70.0, 1.3, 420.0) for part in
                            (slice(None), slice(0, 11), slice(10, None)))  # fmt: skip
    require(all(isinstance(cost, tuple) and len(cost) == 2 for cost in (whole, first, second)), "return both")
    want = torch.tensor(sum(((watts[1:] + watts[:-1] - 140) / 2 * seconds.diff()).tolist()), dtype=torch.float64)
    expect(whole, (want, want / 3.6e6 * 1.3 * 420.0), rtol=1e-6, atol=1e-4)
    expect(tuple(a + b for a, b in zip(first, second)), whole)
