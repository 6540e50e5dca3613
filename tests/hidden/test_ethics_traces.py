"""Hidden points of 07_ethics, continued: where a picture came from (see test_ethics.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def signed(size: int) -> Tensor:
    """0, 1, …, -1, whole numbers in the order of the transform."""
    return torch.tensor([u if u <= (size - 1) // 2 else u - size for u in range(size)])


def over_rings(plane: Tensor, u: Tensor, number: int) -> Tensor:
    squared = u[:, None] ** 2 + u**2
    # round(sqrt(s)) = r if (2 r - 1)^2 < 4 s < (2 r + 1)^2, without a root
    rings = [
        (4 * squared < (2 * r + 1) ** 2) & ((2 * r - 1) ** 2 < 4 * squared) | ((r == 0) & (squared == 0))
        for r in range(number)
    ]
    return torch.stack([plane[ring].mean() for ring in rings])


@task("radial_spectrum")
@pytest.mark.parametrize("shape", [(6, 6, 6, 6), (2, 3, 9, 9), (5, 1, 16, 16)], ids=["cube", "odd", "even"])
def test_radial_spectrum(student, rng, shape):
    """Random pictures, brighter to one side, by the sums that define the transform: values and gradients."""
    x = normal(rng, *shape) * (1 + torch.arange(shape[3])) / shape[3] + between(rng, 0.2, 0.6)
    size, u, number = shape[3], signed(shape[3]), shape[3] // 2 + 1
    phase = 2 * math.pi / size * torch.outer(torch.arange(size), torch.arange(size))
    waves = torch.complex(phase.cos(), -phase.sin())
    x.requires_grad_()
    plane = waves @ x.to(waves.dtype) @ waves / size
    power = plane.abs().square().mean((0, 1))
    right = over_rings(power, u, number)
    radius = (u[:, None] ** 2 + u**2).sqrt()
    wrong = {
        "the mean over a ring, not the sum": torch.stack([power[radius.round() == r].sum() for r in range(number)]),
        "power is the square": over_rings(plane.abs().mean((0, 1)), u, number),
        "average the powers, not the pictures": over_rings(plane.mean((0, 1)).abs().square(), u, number),
        "the transform is not orthonormal": right * size**2,
        "this transform is divided by all of H H": right / size**2,
        "the second half of the frequencies is negative": over_rings(power, torch.arange(size), number),
        "round the radius": torch.stack([power[radius.floor() == r].mean() for r in range(number)]),
        "the rings in the corners are not whole": over_rings(power, u, int(radius.max().round()) + 1),
        "a power, not its logarithm": right.log(),
        "the ring at H // 2 is wanted as well": right[:-1],
    }
    got = student.radial_spectrum(x)
    expect(got, right, wrong, atol=1e-3, rtol=1e-4)
    require(got.requires_grad, "no gradient passes through your function: detach nothing")
    weight = normal(rng, number)
    slopes = [torch.autograd.grad((value * weight).sum(), x)[0] for value in (got, right)]
    expect(*slopes, atol=1e-3, rtol=1e-3)


@task("radial_spectrum")
def test_radial_spectrum_of_noise(student, rng):
    """The powers of all pictures together are the mean of their squares, whatever is shifted around."""
    x = normal(rng, 3, 2, 7, 7)
    got = student.radial_spectrum(x.roll((2, 3), (2, 3)))
    u = signed(7)
    power = torch.fft.fft2(x).abs().square().mean((0, 1)) / 49
    expect(got, over_rings(power, u, 4), atol=1e-3)


@task("tpr_at_fpr")
@pytest.mark.parametrize(("n", "m"), [(40, 40), (57, 23)], ids=["alike", "unlike"])
def test_tpr_at_fpr(student, rng, n, m):
    """Random scores and rates, all different."""
    negatives, positives = normal(rng, n), normal(rng, m) + 0.8
    k = int(torch.randint(1, n // 3, (), generator=rng, device="cpu"))
    fpr = (k + float(between(rng, 0.1, 0.9))) / n
    check(student, negatives, positives, fpr, k)


@task("tpr_at_fpr")
def test_tpr_at_fpr_with_ties(student, rng):
    """Counts as scores, so that many are equal."""
    negatives = torch.randint(0, 6, (90,), generator=rng, device="cpu").float()
    positives = torch.randint(1, 8, (70,), generator=rng, device="cpu").float()
    for k in torch.randint(2, 60, (4,), generator=rng, device="cpu").tolist():
        check(student, negatives, positives, (k + 0.5) / 90, k)
    check(student, negatives, positives, 0.0, 0)


def check(student, negatives: Tensor, positives: Tensor, fpr: float, k: int) -> None:
    """k negatives at most may be above; the smallest score of which that is true."""
    tau = min(s for s in negatives.tolist() if sum(other > s for other in negatives.tolist()) <= k)
    hits = sum(s > tau for s in positives.tolist())
    false = sum(s > tau for s in negatives.tolist())
    right = torch.tensor(tau), torch.tensor(hits / len(positives))
    both = torch.cat([negatives, positives]).sort(descending=True).values
    mixed, wide = both[int(fpr * len(both))], negatives.quantile(1 - fpr)
    turned = positives.sort(descending=True).values[int(fpr * len(positives))]
    wrong = {
        "accused is who scores above the threshold, not who has it": (right[0], (positives >= tau).float().mean()),
        "accused is who scores above": (right[0], (positives < tau).float().mean()),
        "the threshold follows from the negatives alone": (mixed, (positives > mixed).float().mean()),
        "they have changed places": (turned, (negatives > turned).float().mean()),
        "a quantile interpolates": (wide, (positives > wide).float().mean()),
        "this is the false-positive rate": (right[0], torch.tensor(false / len(negatives))),
        "divide by the number of positives": (right[0], torch.tensor(hits / max(hits + false, 1))),
        "this is a number of positives": (right[0], torch.tensor(float(hits))),
        "the threshold comes first": right[::-1],
        "return both": right[1],
    }
    expect(student.tpr_at_fpr(negatives, positives, fpr), right, wrong)


def winners(p: Tensor, g: Tensor) -> Tensor:
    """By all pairs of candidates, layer by layer."""
    p, g = p.double() / p.double().sum(-1, keepdim=True), g.double()
    for bits in g:
        beats = (1 + bits[:, :, None] - bits[:, None]) / 2
        pairs = p[:, :, None] * p[:, None]  # (B, V, V): first candidate, second candidate
        p = (pairs * beats).sum(2) + (pairs * (1 - beats)).sum(1)
    return p.float()


@task("tournament")
@pytest.mark.parametrize(("b", "v", "m"), [(5, 5, 5), (3, 11, 2), (2, 4, 6)], ids=["cube", "oblong", "deep"])
def test_tournament(student, rng, b, v, m):
    """Random probabilities and bits, by all pairs of candidates."""
    p, g = (2 * normal(rng, b, v)).softmax(-1), torch.randint(0, 2, (m, b, v), generator=rng, device="cpu").float()
    right, expected = winners(p, g), (p * g).sum(-1, keepdim=True)
    boosted, plain, turned, softened = p, p, p, p
    for bits in g:
        boosted, plain = boosted * (1 + bits), plain * (1 + bits - bits.mean(-1, keepdim=True))
        boosted, softened = boosted / boosted.sum(-1, keepdim=True), (softened.log() + bits).softmax(-1)
        turned = turned * (1 - bits + (turned * bits).sum(-1, keepdim=True))
    wrong = {
        "only the first layer is played": winners(p, g[:1]),
        "only the last layer is played": winners(p, g[-1:]),
        "the sum takes the new p": p * (1 + g - expected).prod(0),
        "each layer is played": p * (1 + g - expected).mean(0),
        "sum p g, not the mean of g": plain,
        "do not divide by the sum instead": boosted,
        "this is a softmax with g added": softened,
        "the sign is turned": turned,
        "the order of the layers is turned": winners(p, g.flip(0)),
    }
    expect(student.tournament(p, g), right, wrong, atol=1e-4)


@task("tournament")
def test_tournament_in_the_mean(student, rng):
    """Over all keys of four bits nothing changes, whatever p is; certain tokens stay certain."""
    p = (2 * normal(rng, 1, 4)).softmax(-1)
    keys = torch.cartesian_prod(*[torch.tensor([0.0, 1])] * 4)
    got = student.tournament(p.expand(16, 4), keys[None])
    expect(got, winners(p.expand(16, 4), keys[None]))
    expect(got.mean(0, keepdim=True), p)
    certain = torch.eye(4)
    expect(student.tournament(certain, keys[torch.randperm(16, generator=rng)[:8]].view(2, 4, 4)), certain)
