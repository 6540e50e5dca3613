"""Hidden points of 06_applications, continued: translation without pairs (see test_applications.py)."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 2, 4, 6)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def learnable(got: object) -> Tensor:
    require(isinstance(got, Tensor) and got.requires_grad, "no gradient passes through your function: detach nothing")
    return got


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value; 0 for what it does not depend on."""
    return torch.autograd.grad((learnable(value) * weight).sum(), of, materialize_grads=True, retain_graph=True)


class Bent(nn.Module):
    """A translator that no other one of its kind undoes."""

    def __init__(self, rng: torch.Generator, channels: int) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(normal(rng, channels, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.a * x) + self.b


def away(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


@task("cycle_loss")
@shapes
def test_cycle_loss(student, rng, shape):
    """Random translators, another number of images of either kind: value and gradients for both."""
    there, back = Bent(rng, shape[1]), Bent(rng, shape[1])
    x, y = normal(rng, *shape), normal(rng, shape[0] + 1, *shape[1:])
    weight, identity = float(between(rng, 3, 12)), float(between(rng, 0.2, 0.8))
    forth, home = away(back(there(x)), x), away(there(back(y)), y)
    cycle, same = forth + home, away(there(y), y) + away(back(x), x)
    meddling = away(there(x), x) + away(back(y), y)
    turned = away(there(back(x)), x) + away(back(there(y)), y)
    pairs = [(back(there(x)), x, 1), (there(back(y)), y, 1), (there(y), y, identity), (back(x), x, identity)]
    right = weight * (cycle + identity * same)
    wrong = {
        "the identity terms are those of the wrong translators": weight * (cycle + identity * meddling),
        "first there, then back for an x": weight * (turned + identity * same),
        "the way back from y is missing": weight * (forth + identity * same),
        "the way back from x is missing": weight * (home + identity * same),
        "the identity terms are missing": weight * cycle,
        "weight stands before the whole": weight * cycle + identity * same,
        "identity belongs to the identity terms": weight * (identity * cycle + same),
        "weight is missing": cycle + identity * same,
        "identity is missing": weight * (cycle + same),
        "take absolute differences, not squares": weight * sum(k * (a - b).square().mean() for a, b, k in pairs),
        "take means, not sums": weight * sum(k * (a - b).abs().sum() for a, b, k in pairs),
        "the differences of both ways are added": right / 2,
    }
    got = student.cycle_loss(there, back, x, y, weight, identity)
    expect(got, right, wrong, atol=1e-4)
    one, learnt = torch.ones(()), (there.a, there.b, back.a, back.b)
    cut = away(back(there(x).detach()), x) + away(there(back(y).detach()), y)
    halved = {
        "the first translator learns from the second one": gradients(weight * (cut + identity * same), one, *learnt)
    }
    expect(gradients(got, one, *learnt), gradients(right, one, *learnt), halved, atol=1e-4)


def decibels(x: Tensor, y: Tensor) -> Tensor:
    """What `psnr` asks for, so that a mistake in it is not punished twice."""
    return 20 * torch.log10(2 / torch.stack([(a - b).square().mean().sqrt() for a, b in zip(x, y)]))


@task("attacked")
@shapes
def test_psnr(student, rng, shape):
    """Random images: each with a number of its own."""
    x = between(rng, -1, 1, *shape)
    y = x + between(rng, 0.05, 0.9, shape[0])[:, None, None, None] * between(rng, -1, 1, *shape)
    right, mean, n = decibels(x, y), (x - y).square().flatten(1).mean(1), x[0].numel()
    wrong = {
        "the peak is the width of [-1, 1]": 10 * torch.log10(1 / mean),
        "the peak is 2, not 255": 10 * torch.log10(255**2 / mean),
        "the peak is squared": 10 * torch.log10(2 / mean),
        "this is the natural logarithm": 10 * (4 / mean).log(),
        "the sign is turned": -right,
        "10, not 20": 2 * right,
        "decibels are tenths": right / 10,
        "this is the sum": 10 * torch.log10(4 / (n * mean)),
        "one number an image": 10 * torch.log10(4 / mean.mean()),
        "square the differences": 10 * torch.log10(4 / (x - y).abs().flatten(1).mean(1)),
    }
    expect(student.psnr(x, y), right, wrong, atol=1e-4)


@task("attacked")
@shapes
def test_attacked(student, rng, shape):
    """Random translators, noises and strengths, without gradients."""
    student.psnr = decibels
    there, back = Bent(rng, shape[1]), Bent(rng, shape[1])
    x, eps, strengths = between(rng, -1, 1, *shape), normal(rng, *shape), between(rng, 0.1, 1, 4)
    with torch.no_grad():
        y = there(x)
        sent = [back(y + a * eps) for a in strengths]
        right = torch.stack([decibels(image, x).mean() for image in sent])
        wrong = {
            "disturb the translation, not the image": [back(there(x + a * eps)) for a in strengths],
            "disturb the translation, not what comes back": [back(y) + a * eps for a in strengths],
            "send it back": [y + a * eps for a in strengths],
            "they do not add up": [back(y + a * eps) for a in strengths.cumsum(0)],
            "a strength is a standard deviation": [back(y + a.sqrt() * eps) for a in strengths],
            "the noise is added": [back(y - a * eps) for a in strengths],
            "the first way is missing": [back(x + a * eps) for a in strengths],
        }
        wrong = {hint: torch.stack([decibels(image, x).mean() for image in row]) for hint, row in wrong.items()} | {
            "not with its translation": torch.stack([decibels(image, y).mean() for image in sent]),
            "not with what comes back undisturbed": torch.stack([decibels(image, back(y)).mean() for image in sent]),
            "average the decibels": torch.stack([10 * torch.log10(4 / (image - x).square().mean()) for image in sent]),
            "one number a strength": torch.stack([decibels(image, x) for image in sent]),
        }
    got = student.attacked(there, back, x, eps, strengths)
    expect(got, right, wrong, atol=1e-3)
    require(not got.requires_grad, "nothing is to be learnt here: work under torch.no_grad()")
