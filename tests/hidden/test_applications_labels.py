"""Hidden points of 06_applications, continued: few labels (see test_applications.py)."""

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


def shifted(image: Tensor, down: int, right: int, ring: bool = False) -> Tensor:
    """One image (C, H, W), pixel by pixel."""
    h, w = image.shape[1:]

    def inside(i: int, length: int) -> int:
        return i % length if ring else min(max(i, 0), length - 1)

    rows = [torch.stack([image[:, inside(i - down, h), inside(j - right, w)] for j in range(w)], 1) for i in range(h)]
    return torch.stack(rows, 1)


def changed(x: Tensor, flip: Tensor, move: Tensor, ring: bool = False, axis: int = 2) -> Tensor:
    images = [image.flip(axis) if turn else image for image, turn in zip(x, flip.tolist())]
    return torch.stack([shifted(image, *step, ring) for image, step in zip(images, move.tolist())])


@task("augmented")
@pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 2, 5, 7)], ids=["cube", "oblong"])
def test_augmented(student, rng, shape):
    """Random images and changes: values and gradients."""
    x, move = normal(rng, *shape).requires_grad_(), torch.randint(-3, 4, (shape[0], 2), generator=rng, device="cpu")
    flip = torch.arange(shape[0]) % 2 == torch.randint(2, (1,), generator=rng, device="cpu")
    move[0, 0], move[0, 1], move[1, 0] = 2, -1, -2  # the first two differ in every way
    never, stay = torch.zeros_like(flip), torch.zeros_like(move)
    right, inside = changed(x, flip, move), changed(torch.ones(shape), never, move)
    for image, (down, along) in zip(inside, move.tolist()):
        image[:, : max(down, 0)] = image[:, shape[2] + min(down, 0) :] = 0
        image[..., : max(along, 0)] = image[..., shape[3] + min(along, 0) :] = 0
    wrong = {
        "comes in on the other": changed(x, flip, move, ring=True),
        "not filled with 0": right * inside,
        "not filled with -1": torch.where(inside > 0, right, -1.0),
        "here the first one decides for all": changed(x, flip[:1].expand_as(flip), move),
        "all images are mirrored": changed(x, ~never, move),
        "flip is turned over": changed(x, ~flip, move),
        "the first one's is taken for all": changed(x, flip, move[:1].expand_as(move)),
        "not upside down": changed(x, flip, move, axis=1),
        "the first number of a move is down": changed(x, flip, move.flip(1)),
        "the sign of the move is turned": changed(x, flip, -move),
        "mirror first, then move": changed(changed(x, never, move), flip, stay),
        "the move is missing": changed(x, flip, stay),
        "only the move down": changed(x, flip, move * torch.tensor([1, 0])),
        "only the move to the right": changed(x, flip, move * torch.tensor([0, 1])),
    }
    got = student.augmented(x, flip, move)
    expect(got, right, wrong)
    require(got.requires_grad, "no gradient passes through your function: detach nothing")
    weight = normal(rng, *shape)
    expect(
        torch.autograd.grad((got * weight).sum(), x),
        torch.autograd.grad((right * weight).sum(), x),
        {"numbers that leave the image are lost": (weight,)},
    )


@task("augmented")
def test_augmented_masks(student, rng):
    """A mask goes where its image goes, and remains a mask; whole numbers remain whole."""
    x = normal(rng, 5, 1, 6, 4)
    flip, move = between(rng, 0, 1, 5) < 0.5, torch.randint(-7, 8, (5, 2), generator=rng, device="cpu")
    for part in (x > 0, (100 * x).long()):
        got = student.augmented(part, flip, move)
        require(isinstance(got, Tensor) and got.dtype == part.dtype, "keep the dtype of x: a mask must remain one")
        expect(got, changed(part, flip, move))


@task("paired_interval")
@pytest.mark.parametrize("n", [2, 5, 12])
def test_paired_interval(student, rng, n):
    """Random results that share the luck of the draw."""
    luck = 5 * normal(rng, n)
    baseline, ours = 60 + luck, 62 + luck + between(rng, 0.5, 1.5) * normal(rng, n)
    quantile = float(between(rng, 2.1, 4))
    gains = [a - b for a, b in zip(ours.double().tolist(), baseline.double().tolist())]
    mean = sum(gains) / n
    squares = sum((gain - mean) ** 2 for gain in gains)
    deviation = math.sqrt(squares / (n - 1))
    half = quantile * deviation / math.sqrt(n)
    both = float((ours.var() / n + baseline.var() / n).sqrt())
    wrong = {
        "ours minus the baseline": (-mean, half),
        "divides by n - 1": (mean, quantile * math.sqrt(squares) / n),
        "divide by the root of n": (mean, quantile * deviation),
        "not by n": (mean, quantile * deviation / n),
        "multiply by the quantile": (mean, deviation / math.sqrt(n)),
        "with few repetitions 1.96 is too little": (mean, 1.96 * deviation / math.sqrt(n)),
        "two independent means": (mean, quantile * both),
        "first the differences": (mean, quantile * float(ours.std() - baseline.std()) / math.sqrt(n)),
        "not that of ours": (mean, quantile * float(ours.std()) / math.sqrt(n)),
        "the half width": (mean, 2 * half),
        "not the two ends": (mean - half, mean + half),
        "not their median": (float((ours - baseline).median()), half),
        "subtract only": (float((ours / baseline - 1).mean()), half),
        "the mean comes first": (half, mean),
        "return both": mean,
    }
    got = student.paired_interval(ours, baseline, quantile)
    numbers = not any(isinstance(part, Tensor) for part in (got if isinstance(got, tuple) else ()))
    require(numbers, "return numbers: float(…) makes one of a tensor")
    expect(got, (mean, half), wrong, atol=1e-4)
