"""Public points of 04_transformers, continued: many tokens at once (see test_transformers.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


@task("maskgit")
def test_mask_schedule(student):
    """floor(49 cos(pi r / 2)): 49 at the start, 45 after a quarter, 0 at the end."""

    def by(share) -> list[int]:
        return [math.floor(49 * share(r) + 1e-9) for r in (0.0, 0.25, 0.6, 1.0)]

    right = by(lambda r: math.cos(math.pi / 2 * r))
    wrong = {
        "this falls in equal steps: take the cosine": by(lambda r: 1 - r),
        "this says how many are kept: how many stay hidden?": [49 - n for n in right],
        "this rises: the cosine falls from 1 to 0": by(lambda r: math.sin(math.pi / 2 * r)),
        "the angle is pi / 2 times r, a quarter of a turn at the end": by(math.cos),
        "the angle is pi / 2 times r, not pi times r": by(lambda r: math.cos(math.pi * r)),
        "the cosine is not squared": by(lambda r: math.cos(math.pi / 2 * r) ** 2),
        "round down": [math.ceil(49 * math.cos(math.pi / 2 * r) - 1e-9) for r in (0.0, 0.25, 0.6, 1.0)],
        "this is the share: multiply by the places and round down": [
            math.cos(math.pi / 2 * r) for r in (0.0, 0.25, 0.6, 1.0)
        ],
    }
    expect([student.mask_schedule(r, 49) for r in (0.0, 0.25, 0.6, 1.0)], right, wrong)


# Five places, three codes: three rows of log-probabilities to which numbers are added that a softmax takes out again.
SURE = torch.tensor(
    [
        [[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.15, 0.45, 0.4], [0.3, 0.65, 0.05], [0.02, 0.08, 0.9]],
        [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.05, 0.05, 0.9], [0.7, 0.1, 0.2]],
    ]
).log()
SHIFT = torch.tensor([[0.0, -6, 7, 1, -3], [2, 4, 0, -5, 1]])[..., None]
GUESS = torch.tensor([[0, 1, 0, 2, 1], [1, 1, 2, 1, 0]])
HIDDEN = torch.tensor([[True, True, True, False, True], [True, True, True, True, False]])


@task("maskgit")
def test_rehide(student):
    """Of what was hidden, the two guesses of least probability in each image are hidden again."""
    own = SURE.gather(2, GUESS[..., None])[..., 0]

    def least(sure: Tensor, count: int = 2, known: float = math.inf) -> Tensor:
        order = sure.masked_fill(~HIDDEN, known).argsort(1)[:, :count]
        return torch.zeros(2, 5, dtype=torch.bool).scatter(1, order, True)

    of_all = torch.zeros(10, dtype=torch.bool)
    of_all[own.masked_fill(~HIDDEN, math.inf).flatten().argsort()[:2]] = True
    own_logits = (SURE + SHIFT).gather(2, GUESS[..., None])[..., 0]
    ranked = own.masked_fill(~HIDDEN, math.inf).argsort(1)
    want = torch.tensor([[False, False, True, False, True], [False, True, False, True, False]])
    wrong = {
        "these are the surest: hide the least sure": least(-own),
        "these are the surest, and those kept earlier: hide the least sure": least(-own, known=-math.inf),
        "what was kept earlier is never hidden again": torch.zeros(2, 5, dtype=torch.bool).scatter(
            1, own.argsort(1)[:, :2], True
        ),
        "what was kept earlier is surest of all, not least sure": least(own, known=-math.inf),
        "how sure is the guess itself? This takes the likeliest token's probability": least(SURE.amax(2)),
        "logits of two places cannot be compared: take their log-softmax": least(own_logits),
        "`count` places are to be hidden, not kept": least(own, count=3),
        "these are the places to keep: return those to hide": ~want,
        "`count` places of each image, not of all images together": of_all.view(2, 5),
        "argsort gives the places in order, not the rank of each place": ranked < 2,
        "return true and false for all places, not the places' numbers": ranked[:, :2],
    }
    expect(student.rehide(SURE + SHIFT, GUESS, HIDDEN, 2), want, wrong)


@task("maskgit")
def test_rehide_ends(student):
    """In the last round nothing is hidden."""
    expect(student.rehide(SURE + SHIFT, GUESS, HIDDEN, 0), torch.zeros(2, 5, dtype=torch.bool))


@task("scale_mask")
def test_scale_mask(student):
    """Maps of 1, 2 and 3 places each way, 14 in a row: each looks at its own scale and at all coarser ones."""
    scale = torch.tensor([0] + 4 * [1] + 9 * [2])
    rows, columns = scale[:, None], scale
    plain = torch.tensor([0, 1, 1, 2, 2, 2])
    wrong = {
        "within a scale all look at all: this is the causal mask of single places": torch.ones(
            14, 14, dtype=torch.bool
        ).tril(),
        "coarser scales may be looked at too": rows == columns,
        "a scale may look at itself too": rows > columns,
        "rows look, columns are looked at: this is the mask of the other direction": rows <= columns,
        "true is where a place may look": rows < columns,
        "all coarser scales may be looked at, not only the next": (rows == columns) | (rows == columns + 1),
        "a map of side s has s * s places": plain[:, None] >= plain,
        "the mask is bool": (rows >= columns).float(),
    }
    expect(student.scale_mask(torch.tensor([1, 2, 3])), rows >= columns, wrong)


@task("scale_mask")
def test_scale_mask_of_the_notebook(student):
    """For maps of 1, 2, 4 and 7 it is 70 places, of which the last 49 see all."""
    got = student.scale_mask(torch.tensor([1, 2, 4, 7]))
    require(isinstance(got, Tensor) and got.shape == (70, 70), "the mask must be a tensor (70, 70)")
    expect(got.sum(1), torch.tensor([1] + 4 * [5] + 16 * [21] + 49 * [70]))
