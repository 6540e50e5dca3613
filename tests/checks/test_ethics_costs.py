"""Public points of 07_ethics, continued: who was in the training set, and what it cost (see test_ethics.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

X = torch.tensor([[[[1.0, -1]]], [[[0.5, 0]]], [[[0, 0.25]]]])
TIMES = torch.tensor([0.25, 0.5, 0.8])
NOISES = torch.tensor([[[[1.0, 0]]], [[[-1, 2]]], [[[0.5, 1]]]])


def velocity(x: Tensor, t: Tensor) -> Tensor:
    """Some model: it depends on the picture and on the time."""
    return 0.5 * x - t + x * x


def scores(x: Tensor, times: Tensor, noises: Tensor) -> tuple[Tensor, dict[str, object]]:
    """Scores of pictures, and what others take for them."""

    def errors(mix=lambda x, t, z: (1 - t) * x + t * z, target=lambda x, t, z: z - x, power=2) -> Tensor:
        found = [(velocity(mix(x, t, z), t) - target(x, t, z)).abs().flatten(1) ** power for t, z in zip(times, noises)]
        return torch.stack(found)  # (T, N, D)

    each = errors()
    by_noise = torch.stack([errors()[i] for i in range(len(times))])
    wrong = {
        "the sign is turned: members are known better, and their score is higher": each.mean((0, 2)),
        "x and the noise have changed places: at t = 0 there is no noise": -errors(
            mix=lambda x, t, z: t * x + (1 - t) * z
        ).mean((0, 2)),
        "x is not noisy enough: it must be multiplied by 1 - t": -errors(mix=lambda x, t, z: x + t * z).mean((0, 2)),
        "the model has to see x_t, not x": -errors(mix=lambda x, t, z: x).mean((0, 2)),
        "a flow's target is noise - x, not x": -errors(target=lambda x, t, z: x).mean((0, 2)),
        "a flow's target is noise - x, not the noise": -errors(target=lambda x, t, z: z).mean((0, 2)),
        "the target's sign is turned: noise - x": -errors(target=lambda x, t, z: x - z).mean((0, 2)),
        "the mean over the numbers of a picture, not their sum": -each.sum(2).mean(0),
        "the mean over the times, not their sum": -each.mean(2).sum(0),
        "the mean over times and numbers, not their sum": -each.sum((0, 2)),
        "all times count, not only the last": -each[-1].mean(1),
        "all times count, not only the first": -each[0].mean(1),
        "the square of the error, not its absolute value": -errors(power=1).mean((0, 2)),
        "no root is taken of the squares": -each.mean(2).sqrt().mean(0),
        "no root is taken of the mean of the squares": -each.mean((0, 2)).sqrt(),
        "return a score for each picture": -each.mean(),
        "return a score for each picture, not for each time": -each.mean((1, 2)),
        "return the mean over the times": -each.mean(2),
        "each time has its own noise: this takes the first for all": -torch.stack(
            [(velocity((1 - t) * x + t * noises[0], t) - (noises[0] - x)).square().flatten(1).mean(1) for t in times]
        ).mean(0),
        "this is the median over the times: take the mean": -by_noise.mean(2).median(0).values,
        "the error is what the model says less the target": -errors(target=lambda x, t, z: 0 * x).mean((0, 2)),
    }
    if len(x) == len(times):
        wrong["the same noise for all pictures, another for each time: zip(times, noises)"] = -torch.stack(
            [(velocity((1 - t) * x + t * noises, t) - (noises - x)).square().flatten(1).mean(1) for t in times]
        ).mean(0)
    return -each.mean((0, 2)), wrong


@task("membership")
def test_membership_values(student):
    """Three pictures of two pixels, three times with a noise each."""
    expect(student.membership(velocity, X, TIMES, NOISES), *scores(X, TIMES, NOISES))


@task("membership")
def test_membership_of_what_is_known(student):
    """A model that knows one picture by heart is never wrong about it; a single time will do."""
    known = X[0]
    got = student.membership(lambda x, t: (x - known) / t, X, TIMES[1:2], NOISES[1:2])
    wrong = {"the sign is turned": torch.tensor([0.0, 2.5, 5.125])}
    expect(got, torch.tensor([0.0, -2.5, -5.125]), wrong, atol=1e-4)


@task("membership")
def test_membership_asks_only(student):
    """The model is called once a time, with all pictures, and no gradient is kept."""
    calls, weight = [], torch.ones((), requires_grad=True)

    def spy(x: Tensor, t: Tensor) -> Tensor:
        calls.append((tuple(x.shape), float(t)))
        return weight * velocity(x, t)

    got = student.membership(spy, X, TIMES[:2], NOISES[:2])
    expect(got, *scores(X, TIMES[:2], NOISES[:2]))
    require(not got.requires_grad, "this is a question, not a lesson: `with torch.no_grad():`")
    require(
        calls == [((3, 1, 1, 2), 0.25), ((3, 1, 1, 2), 0.5)],
        "call the model once for each time, with all pictures at once and the time as a tensor ()",
    )


SECONDS = torch.tensor([0.0, 1, 2, 10, 30], dtype=torch.float64) + 1_790_000_000
WATTS = torch.tensor([50.0, 250, 250, 90, 40], dtype=torch.float64)


def costs(seconds: Tensor, watts: Tensor, idle: float, pue: float, intensity: float):
    """Joules and grams, and what others take for them."""
    steps, middle = seconds.diff(), (watts[1:] + watts[:-1]) / 2
    joules = ((middle - idle) * steps).sum()
    whole = joules + idle * steps.sum()

    def told(j: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        return j, j / 3.6e6 * pue * intensity * scale

    wrong = {
        "what the machine draws idly does not count": told(whole),
        "idling takes power all the time: subtract P_0 from the power, not from the energy": told(whole - idle),
        "idling takes power all the time: P_0 in each step": told(whole - idle * len(steps)),
        "between two readings take their mean, not the earlier one": told(((watts[:-1] - idle) * steps).sum()),
        "between two readings take their mean, not the later one": told(((watts[1:] - idle) * steps).sum()),
        "the readings are not evenly spaced: each step has its own length": told((middle - idle).mean() * steps.sum()),
        "the readings are not evenly spaced: the mean of all times the duration is not the area": told(
            (watts - idle).mean() * steps.sum()
        ),
        "the steps are not of one second": told((middle - idle).sum()),
        "energy is power times time, not the sum of the readings": told((watts - idle).sum()),
        "a reading below P_0 is chance: do not cut it off": told(torch.trapezoid((watts - idle).clamp(min=0), seconds)),
        "a step below P_0 is chance: do not cut it off": told(((middle - idle).clamp(min=0) * steps).sum()),
        "PUE is missing in the grams": told(joules, 1 / pue),
        "the computing centre draws more than the machine: times PUE, not divided by it": told(joules, 1 / pue**2),
        "PUE belongs to the grams, the joules are the machine's own": (pue * joules, told(joules)[1]),
        "PUE belongs to the grams, and only once": told(pue * joules),
        "only what comes on top of the machine is PUE - 1; in total it is PUE times": told(joules, (pue - 1) / pue),
        "a kilowatt hour is 3.6 million joules, not 3,600": told(joules, 1000.0),
        "a kilowatt hour is 3.6 million joules, not 1,000": told(joules, 3600.0),
        "a kilowatt hour is 3.6 million joules, not 3.6": told(joules, 1e6),
        "grams a kilowatt hour: the joules are not converted": told(joules, 3.6e6),
        "the answer is in grams, not in kilograms": told(joules, 1e-3),
        "return joules, not kilowatt hours": (joules / 3.6e6, told(joules)[1]),
        "joules come first, then grams": told(joules)[::-1],
        "return both, joules and grams": told(joules)[1],
        "return both, joules and grams, not only joules": joules,
    }
    return told(joules), wrong


@task("footprint")
def test_footprint_values(student):
    """Five readings in half a minute, the busy second more often than the rest; a tenth of a gram or so."""
    right, wrong = costs(SECONDS, WATTS, 50.0, 1.5, 400.0)
    expect(right[0], torch.tensor(1_560.0, dtype=torch.float64))
    expect(student.footprint(SECONDS, WATTS, 50.0, 1.5, 400.0), right, wrong)


@task("footprint")
def test_footprint_of_short_steps(student):
    """Readings every tenth of a second, as seconds since 1970: float32 would see no time pass."""
    seconds = torch.arange(11, dtype=torch.float64) / 10 + 1_790_000_000
    watts = 100 + 10 * torch.arange(11, dtype=torch.float64)
    right, wrong = costs(seconds, watts, 100.0, 1.2, 300.0)
    wrong["float32 holds seven digits: seconds since 1970 need more"] = costs(
        seconds.float(), watts.float(), 100.0, 1.2, 300.0
    )[0]
    expect(student.footprint(seconds, watts, 100.0, 1.2, 300.0), right, wrong)


@task("footprint")
def test_footprint_of_idling(student):
    """A machine that does nothing costs nothing, also where chance makes a reading fall below."""
    seconds = torch.tensor([5.0, 6, 7, 8, 12], dtype=torch.float64)
    for watts in (torch.full((5,), 70.0, dtype=torch.float64), torch.tensor([70.0, 75, 65, 70, 70]).double()):
        right, wrong = costs(seconds, watts, 70.0, 2.0, 500.0)
        wrong = {hint: value for hint, value in wrong.items() if "P_0" in hint or "idly" in hint}
        expect(student.footprint(seconds, watts, 70.0, 2.0, 500.0), right, wrong)
