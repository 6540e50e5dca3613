"""Hidden points of 01_gans, continued: what was forgotten, labels, averages, noise (see test_gans.py)."""

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


def whole(rng: torch.Generator, low: int, high: int, *shape: int) -> Tensor:
    return torch.randint(low, high, shape, generator=rng, device="cpu")


@task("coverage")
def test_coverage(student, rng):
    """Random mixtures, some modes kept, some hit by stray samples only, one ringed by near misses."""
    std = float(between(rng, 1.2, 1.8))
    means = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0)) * 30 * std + normal(rng, 6, 2) * std
    # by modes: many good, many good, some good, few, near misses along the diagonal, none
    counts = torch.tensor([230, 150, 40, 4, 160, 0])[torch.randperm(6, generator=rng)]
    misses, mode = counts == 160, torch.arange(6).repeat_interleave(counts)
    away = between(rng, 1.1, 1.65, len(mode), 1) * std
    corner = torch.where(between(rng, -1, 1, len(mode), 2) > 0, 1.0, -1.0)
    samples = means[mode] + corner * torch.where(misses[mode][:, None], 2.5 * std, away)
    strays = torch.full((30, 2), 300.0)
    samples = torch.cat([samples, strays])[torch.randperm(614, generator=rng)]
    near = 424 / 614
    distance, nearest = torch.cdist(samples, means).min(1)
    everyone = (nearest.bincount(minlength=6) >= 0.1 * 614 / 6).sum().item()
    wrong = {
        "a stray sample is no find": (4, near),
        "a mode's share is N / K, not N": (int((counts[~misses] >= 61.4).sum()), near),
        "only good samples count for a mode": (everyone, near),
        "only good samples count": (everyone, 1.0),
        "not that along each axis": (4, 584 / 614),
        "this is one standard deviation": (0, 0.0),
        "the second number is the share of good samples, not of modes": (3, 0.5),
        "the second number is a share, not a count": (3, 424.0),
        "return numbers: .item()": (torch.tensor(3), torch.tensor(near)),
    }
    for hint, close in (("three standard deviations, not 3", distance < 3), ("not be squared", distance**2 < 3 * std)):
        hits = nearest[close].bincount(minlength=6)
        wrong[hint] = int((hits >= 0.1 * 614 / 6).sum()), close.float().mean().item()
    expect(student.coverage(samples, means, std), (3, near), wrong)


@task("projection_score")
@pytest.mark.parametrize(("b", "d", "k"), [(4, 4, 4), (5, 3, 2)])
def test_projection_score(student, rng, b, d, k):
    """Random features, labels and vectors: value and gradients."""
    features, y, w, v = normal(rng, b, d), whole(rng, 0, k, b), normal(rng, d), normal(rng, k, d)
    own = features * (w + v[y])
    wrong = {
        "the part without the label, w, is missing": (features * v[y]).sum(1),
        "the part of the label, v[y], is missing": features @ w,
        "sum over the features, not over the images": own.sum(0),
        "this is the mean": own.mean(1),
        "each image has the vector of its label": (features * (w + v[torch.arange(b) % k])).sum(1),
        "this scores each image for all labels": features @ (w + v).T,
        "this pairs each image with every label of the batch": features @ (w + v[y]).T,
        "one score an image": own,
    }
    moving = v.clone().requires_grad_()
    got = student.projection_score(features, y, w, moving)
    expect(got, own.sum(1), wrong)
    require(got.requires_grad, "no gradient reaches the labels' vectors")
    got.sum().backward()
    expect(moving.grad, torch.zeros(k, d).index_add(0, y, features))


@task("ema_update")
@pytest.mark.in_place
def test_ema_update(student, rng):
    """Random weights, counters and shares over three updates."""
    decay, shape = float(between(rng, 0.5, 0.9)), (2, 3)
    average = {"weight": normal(rng, *shape), "bias": normal(rng, 3), "batches": whole(rng, 0, 9)}
    held, want, other = (
        dict(average),
        {k: v.clone() for k, v in average.items()},
        {k: v.clone() for k, v in average.items()},
    )
    for _ in range(3):
        weights = {
            "weight": normal(rng, *shape).requires_grad_(),
            "bias": normal(rng, 3),
            "batches": whole(rng, 10, 99),
        }
        before = {name: value.detach().clone() for name, value in weights.items()}
        student.ema_update(average, weights, decay)
        for name in ("weight", "bias"):
            want[name] = decay * want[name] + (1 - decay) * before[name]
            other[name] = (1 - decay) * other[name] + decay * before[name]
        want["batches"] = other["batches"] = before["batches"]
        same = all(torch.equal(weights[name].detach(), before[name]) for name in before)
        require(same, "the current weights were changed")
    require(all(torch.equal(held[name], average[name]) for name in held), "change the average in place")
    require(not any(value.requires_grad for value in held.values()), "work under torch.no_grad()")
    wrong = {
        "decay is the share of the past": other,
        "these are the current weights, not an average": before,
        "whole numbers are copied": want | {"batches": held["batches"]},
    }
    expect(held, want, wrong)


@task("latents")
def test_slerp(student, rng):
    """Random rows of random norms, at random places and at the ends."""
    a, b, t = normal(rng, 4, 6) * between(rng, 0.5, 2, 4, 1), normal(rng, 4, 6), float(between(rng, 0.1, 0.4))

    def arc(t: float, angle: Tensor, scale: Tensor) -> Tensor:
        return ((angle * (1 - t)).sin() * a + (angle * t).sin() * b) / scale

    cosine = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
    angle = cosine.acos()[:, None]
    one = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).acos()
    straight = torch.lerp(a, b, t)
    norm = torch.lerp(a.norm(dim=1), b.norm(dim=1), t)[:, None]
    wrong = {
        "this is the straight line": straight,
        "pushed out to the sphere": straight / straight.norm(dim=1, keepdim=True) * norm,
        "t = 0 is a, t = 1 is b": arc(1 - t, angle, angle.sin()),
        "divide by the sine of the angle": arc(t, angle, torch.ones(())),
        "each row has its own angle": arc(t, one, one.sin()),
    }
    expect(student.slerp(a, b, t), arc(t, angle, angle.sin()), wrong, atol=1e-4, rtol=1e-4)
    for end, row in ((0.0, a), (1.0, b)):
        expect(student.slerp(a, b, end), row, atol=1e-4, rtol=1e-4)


@task("latents")
def test_truncated(student, rng):
    """Random noise of any shape and random limits; nothing lies outside."""
    limit = float(between(rng, 0.5, 2))
    for shape in ((50,), (3, 4), ()):
        noise = normal(rng, *shape).clamp(-3, 3)
        rank, least = torch.special.ndtr(noise.double()), torch.special.ndtr(torch.tensor(-limit).double())
        want = torch.special.ndtri(least + rank * (1 - 2 * least)).float()
        wrong = {
            "clamping piles noise up": noise.clamp(-limit, limit),
            "scaling keeps a normal distribution": limit * noise,
            "this squashes with tanh": limit * torch.tanh(noise / limit),
            "this is uniform noise": limit * (2 * rank - 1).float(),
            "erf is of z / sqrt(2)": torch.erfinv(math.erf(limit) * torch.erf(noise)),
            "multiply by sqrt(2)": want / math.sqrt(2),
        }
        expect(student.truncated(noise, limit), want, wrong)
    edge = torch.tensor([-12.0, 12.0])
    expect(student.truncated(edge, limit), edge.sign() * limit, atol=1e-4)
