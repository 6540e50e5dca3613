"""Public points of 06_applications, continued: translation without pairs (see test_applications.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def pictures(*numbers: float) -> Tensor:
    """Two images of one row and two columns: as many images as columns."""
    return torch.tensor(numbers, dtype=torch.float32).view(2, 1, 1, 2)


DAYS, EPS = pictures(1, -1, 0.5, 0), pictures(1, -2, 0.5, 4)


NIGHTS = torch.tensor([-1.0, 0.5, 2, 0, 3, 1]).view(3, 1, 1, 2)  # of three other places


def away(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


@task("cycle_loss")
def test_cycle_loss_values(student):
    """Two days and three nights; one translator doubles, the other one adds 1."""
    there, back = (lambda x: 2 * x), (lambda y: y + 1)
    x, y = DAYS, NIGHTS
    forth, home = away(back(there(x)), x), away(there(back(y)), y)
    cycle, same = forth + home, away(there(y), y) + away(back(x), x)
    meddling = away(there(x), x) + away(back(y), y)
    turned = away(there(back(x)), x) + away(back(there(y)), y)
    cycles, alike = [(back(there(x)), x), (there(back(y)), y)], [(there(y), y), (back(x), x)]
    squares, sums = (
        [sum(reduced(a - b) for a, b in pairs) for pairs in (cycles, alike)]
        for reduced in (lambda d: d.square().mean(), lambda d: d.abs().sum())
    )
    whole = 10 * (cycle + 0.5 * same)
    wrong = {
        "the identity terms are those of the wrong translators: `there` makes y's, so it leaves a y alone": (
            10 * (cycle + 0.5 * meddling)
        ),
        "first there, then back for an x; first back, then there for a y": 10 * (turned + 0.5 * same),
        "the way back from y is missing": 10 * (forth + 0.5 * same),
        "the way back from x is missing": 10 * (home + 0.5 * same),
        "the identity terms are missing": 10 * cycle,
        "weight stands before the whole, the identity terms too": 10 * cycle + 0.5 * same,
        "identity belongs to the identity terms, weight to the whole": 10 * (0.5 * cycle + same),
        "weight is missing": cycle + 0.5 * same,
        "identity is missing": 10 * (cycle + same),
        "take absolute differences, not squares": 10 * (squares[0] + 0.5 * squares[1]),
        "take means, not sums, for each difference": 10 * (sums[0] + 0.5 * sums[1]),
        "the differences of both ways are added, not averaged": whole / 2,
    }
    expect(student.cycle_loss(there, back, x, y, 10.0, 0.5), whole, wrong)


@task("cycle_loss")
def test_cycle_loss_teaches_both(student):
    """Gradients reach both translators, in each place where they stand."""
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    x, y = torch.ones(2, 1, 1, 2), 2 * torch.ones(2, 1, 1, 2)
    loss = student.cycle_loss(lambda x: a * x, lambda y: b * y, x, y, 1.0, 0.0)
    require(isinstance(loss, Tensor) and loss.requires_grad, "no gradient passes through your function: detach nothing")
    slopes = torch.autograd.grad(loss, (a, b), materialize_grads=True)  # |6 - 1| + |12 - 2|
    wrong = {
        "the first translator learns from the second one: do not detach what stands inside": torch.tensor([6.0, 2]),
        "the second translator learns as well: detach nothing": torch.tensor([3.0, 4]),
    }
    expect(torch.stack(slopes), torch.tensor([9.0, 6]), wrong)


@task("attacked")
def test_psnr_values(student):
    """An error of 0.2 everywhere is 20 decibels, one of 2 is 0, none is infinity."""
    x = torch.zeros(3, 2, 1, 2)
    y = x + torch.tensor([0.2, 2, 0]).view(3, 1, 1, 1)
    want = torch.tensor([20.0, 0, torch.inf])
    mean = torch.tensor([0.04, 4, 0])
    wrong = {
        "the peak is the width of [-1, 1], which is 2, not 1": 10 * torch.log10(1 / mean),
        "the peak is 2, not 255": 10 * torch.log10(255**2 / mean),
        "the peak is squared: 2 ** 2": 10 * torch.log10(2 / mean),
        "this is the natural logarithm: decibels are tenths of powers of ten": 10 * (4 / mean).log(),
        "the sign is turned: a small error is many decibels": -want,
        "10, not 20: the error is squared already": 2 * want,
        "decibels are tenths: the factor 10 is missing": want / 10,
        "the mean runs over channels and pixels, this is the sum": 10 * torch.log10(4 / (4 * mean)),
        "one number an image: the mean runs over channels and pixels only": 10 * torch.log10(4 / mean.mean()),
        "square the differences": 10 * torch.log10(4 / mean.sqrt()),
    }
    expect(student.psnr(x, y), want, wrong, atol=1e-4)


def decibels(x: Tensor, y: Tensor) -> Tensor:
    """What `psnr` should do, so that a mistake in it is not punished twice."""
    return 10 * torch.log10(4 / (x - y).square().flatten(1).mean(1))


@task("attacked")
def test_attacked_values(student):
    """Two images, three strengths; the way there bends, the way back doubles."""
    student.psnr = decibels
    x, strengths = DAYS / 2, torch.tensor([0.1, 0.3, 1])
    there, back = (lambda x: x / 2 + x**2 / 4), (lambda y: 2 * y)
    y = there(x)

    def each(score) -> Tensor:
        return torch.stack([score(a) for a in strengths])

    right = each(lambda a: decibels(back(y + a * EPS), x).mean())
    wrong = {
        "disturb the translation, not the image": each(lambda a: decibels(back(there(x + a * EPS)), x).mean()),
        "disturb the translation, not what comes back": each(lambda a: decibels(back(y) + a * EPS, x).mean()),
        "compare with the image, not with its translation": each(lambda a: decibels(back(y + a * EPS), y).mean()),
        "compare with the image, not with what comes back undisturbed": each(
            lambda a: decibels(back(y + a * EPS), back(y)).mean()
        ),
        "send it back: this compares the disturbed translation": each(lambda a: decibels(y + a * EPS, x).mean()),
        "average the decibels of the images, not their errors": each(
            lambda a: 10 * torch.log10(4 / (back(y + a * EPS) - x).square().mean())
        ),
        "each strength disturbs the clean translation: they do not add up": torch.stack(
            [decibels(back(y + a * EPS), x).mean() for a in strengths.cumsum(0)]
        ),
        "a strength is a standard deviation: multiply by it, take no root": each(
            lambda a: decibels(back(y + a.sqrt() * EPS), x).mean()
        ),
        "the noise is added, not taken away": each(lambda a: decibels(back(y - a * EPS), x).mean()),
        "one number a strength: the mean over the images": each(lambda a: decibels(back(y + a * EPS), x)),
        "the first way is missing: this sends the image itself back": each(
            lambda a: decibels(back(x + a * EPS), x).mean()
        ),
        "one number a strength, not their mean": right.mean(),
    }
    expect(student.attacked(there, back, x, EPS, strengths), right, wrong, atol=1e-4)


@task("attacked")
def test_attacked_without_gradients(student):
    """Translators have weights; what is measured here carries no gradient."""
    student.psnr = decibels
    weight = torch.tensor(2.0, requires_grad=True)
    got = student.attacked(lambda x: weight * x, lambda y: y / weight, DAYS, EPS, torch.tensor([0.2]))
    want = torch.tensor([decibels(DAYS + 0.1 * EPS, DAYS).mean()])
    expect(got, want, atol=1e-4)
    require(not got.requires_grad, "nothing is to be learnt here: work under torch.no_grad()")
