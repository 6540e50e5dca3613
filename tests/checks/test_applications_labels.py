"""Public points of 06_applications, continued: few labels (see test_applications.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def changed(x: Tensor, flip: Tensor, move: Tensor, axis: int = 3) -> Tensor:
    """Image by image, pixel by pixel."""
    mirrored = [image.flip(axis - 1) if turn else image for image, turn in zip(x, flip.tolist())]
    return torch.stack([moved(image, *step) for image, step in zip(mirrored, move.tolist())])


def moved(image: Tensor, down: int, right: int, ring: bool = False) -> Tensor:
    h, w = image.shape[1:]
    rows, columns = torch.arange(h) - down, torch.arange(w) - right
    rows, columns = (rows % h, columns % w) if ring else (rows.clamp(0, h - 1), columns.clamp(0, w - 1))
    return image[:, rows][:, :, columns]


IMAGES = torch.arange(1.0, 49).view(3, 1, 4, 4)
FLIP, MOVE = torch.tensor([False, True, True]), torch.tensor([[1, 2], [0, -1], [-2, 1]])


@task("augmented")
def test_augmented_values(student):
    """Three images, each with a change of its own."""
    x, never, stay = IMAGES, torch.zeros(3, dtype=torch.bool), torch.zeros(3, 2, dtype=torch.int64)
    right = changed(x, FLIP, MOVE)
    rings = torch.stack([moved(image, *step, ring=True) for image, step in zip(changed(x, FLIP, stay), MOVE.tolist())])
    inside = changed(torch.ones_like(x), never, MOVE)
    for image, (down, along) in zip(inside, MOVE.tolist()):
        image[:, : max(down, 0)] = image[:, 4 + min(down, 0) :] = 0
        image[..., : max(along, 0)] = image[..., 4 + min(along, 0) :] = 0
    wrong = {
        "what leaves on one side comes in on the other: repeat the border instead": rings,
        "the border is to be repeated, not filled with 0": right * inside,
        "the border is to be repeated, not filled with -1": torch.where(inside > 0, right, -1.0),
        "each image is mirrored or not by itself: here the first one decides for all": changed(x, never, MOVE),
        "all images are mirrored here: look at flip": changed(x, ~never, MOVE),
        "flip is turned over: True means mirrored": changed(x, ~FLIP, MOVE),
        "each image has its own move: here the first one's is taken for all": changed(x, FLIP, MOVE[:1].expand(3, 2)),
        "left for right, not upside down": changed(x, FLIP, MOVE, axis=2),
        "the first number of a move is down, the second one to the right": changed(x, FLIP, MOVE.flip(1)),
        "the sign of the move is turned: row i of the result comes from row i - down": changed(x, FLIP, -MOVE),
        "mirror first, then move": torch.stack(
            [image.flip(2) if turn else image for image, turn in zip(changed(x, never, MOVE), FLIP.tolist())]
        ),
        "the move is missing": changed(x, FLIP, stay),
        "only the move down was made": changed(x, FLIP, MOVE * torch.tensor([1, 0])),
        "only the move to the right was made": changed(x, FLIP, MOVE * torch.tensor([0, 1])),
    }
    expect(student.augmented(x, FLIP, MOVE), right, wrong)


@task("augmented")
def test_augmented_masks(student):
    """Masks stay masks, all channels move alike, and a move by more than the image leaves its border."""
    masks = (IMAGES % 3 == 0).repeat(1, 2, 1, 1)
    got = student.augmented(masks, FLIP, MOVE)
    require(isinstance(got, Tensor) and got.dtype == torch.bool, "a mask must remain one: keep the dtype of x")
    expect(got, changed(masks, FLIP, MOVE))
    whole = torch.arange(36).view(1, 2, 3, 6)
    expect(student.augmented(whole, FLIP[:1], torch.tensor([[9, 0]])), whole[:, :, :1].expand(1, 2, 3, 6))


OURS, BASELINE = torch.tensor([64.0, 71, 60, 70, 65]), torch.tensor([62.0, 70, 57, 69, 62])


@task("paired_interval")
def test_paired_interval_values(student):
    """Five repetitions; ours gains 2, 1, 3, 1 and 3."""
    root, n = 5**0.5, 5
    half, q = 2.776 / root, 2.776
    both = float((OURS.var() / n + BASELINE.var() / n).sqrt())
    wrong = {
        "the difference is ours minus the baseline": (-2.0, half),
        "the standard deviation divides by n - 1": (2.0, half * 0.8**0.5),
        "divide by the root of n: the mean varies less than a single result": (2.0, q),
        "divide by the root of n, not by n": (2.0, q / n),
        "multiply by the quantile": (2.0, 1 / root),
        "with few repetitions 1.96 is too little: take the quantile that is given": (2.0, 1.96 / root),
        "this is the interval of two independent means: take the differences first": (2.0, q * both),
        "first the differences, then their standard deviation": (2.0, q * float(OURS.std() - BASELINE.std()) / root),
        "first the differences, then their standard deviation, not that of ours": (2.0, q * float(OURS.std()) / root),
        "the second number is the half width, behind the ±": (2.0, 2 * half),
        "return the mean and the half width, not the two ends": (2 - half, 2 + half),
        "take the mean of the differences, not their median": (float((OURS - BASELINE).median()), half),
        "this is a gain in shares: subtract only": (float((OURS / BASELINE - 1).mean()), half),
        "the mean comes first, then the half width": (half, 2.0),
        "return both, the mean and the half width": 2.0,
    }
    got = student.paired_interval(OURS, BASELINE, q)
    numbers = not any(isinstance(part, Tensor) for part in (got if isinstance(got, tuple) else ()))
    require(numbers, "return numbers: float(…) makes one of a tensor")
    expect(got, (2.0, half), wrong)


@task("paired_interval")
def test_paired_interval_without_luck(student):
    """Where each repetition gains the same, nothing is uncertain, however much the results vary."""
    ours = torch.tensor([1.0, 5, 30, 2])
    expect(
        student.paired_interval(ours, ours - 0.5, 3.182), (0.5, 0.0), {"the luck of the draw is in both": (0.5, 22.22)}
    )
