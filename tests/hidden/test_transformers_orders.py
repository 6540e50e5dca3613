"""Hidden points of 04_transformers, continued: many tokens at once (see test_transformers.py).

Log-probabilities of one image differ by 0.06 at least, and the number of hidden places before it is rounded is 0.05
away from whole numbers, so that no rounding changes an answer.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from course_lib.grading.expect import expect

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def whole(rng: torch.Generator, below: int, *shape: int) -> Tensor:
    return torch.randint(below, shape, generator=rng, device="cpu")


@task("maskgit")
def test_mask_schedule(student, rng):
    """Random shares of random numbers of places."""
    for places in (30 + whole(rng, 300, 6)).tolist():
        shares = between(rng, 0.15, 0.85, 200).tolist()
        exact = [places * math.cos(math.pi / 2 * done) for done in shares]
        done, number = next((r, x) for r, x in zip(shares, exact) if 0.05 < x % 1 < 0.95)
        wrong = {
            "this falls in equal steps": math.floor(places * (1 - done)),
            "this says how many are kept": places - math.floor(number),
            "the cosine falls from 1 to 0": math.floor(places * math.sin(math.pi / 2 * done)),
            "the angle is pi / 2 times r": math.floor(places * math.cos(done)),
            "the angle is pi / 2 times r, not pi times r": math.floor(places * math.cos(math.pi * done)),
            "the cosine is not squared": math.floor(number**2 / places),
            "round down": math.ceil(number),
            "this is the share": number / places,
            "round down to a whole number": number,
        }
        expect(student.mask_schedule(done, places), math.floor(number), wrong)


@task("maskgit")
@pytest.mark.parametrize(("b", "places", "codes", "count"), [(8, 8, 8, 3), (6, 11, 5, 4)], ids=["cube", "oblong"])
def test_rehide(student, rng, b, places, codes, count):
    """Random logits, guesses and hidden places."""
    hidden = between(rng, 0, 1, b, places).argsort(1) < places - 2  # two of each image were kept before
    steps = torch.stack([torch.randperm(places, generator=rng, device="cpu") for _ in range(b)])
    own = -0.15 - 0.3 * (steps + between(rng, 0.1, 0.9, b, places))  # log-probabilities of the guesses, well apart
    tokens, rest = whole(rng, codes, b, places), normal(rng, b, places, codes - 1).log_softmax(-1)
    rest = rest + torch.log(-torch.expm1(own))[..., None]
    at = one_hot(tokens, codes).bool()
    logits = torch.empty(b, places, codes).masked_scatter(~at, rest).masked_scatter(at, own)
    shifted = logits + 4 * normal(rng, b, places, 1)

    def least(sure: Tensor, count: int = count, known: float = math.inf) -> Tensor:
        order = sure.masked_fill(~hidden, known).argsort(1)[:, :count]
        return torch.zeros(b, places, dtype=torch.bool).scatter(1, order, True)

    everywhere = own.argsort(1)[:, :count]
    of_all = own.masked_fill(~hidden, math.inf).flatten().argsort()[: b * count]
    right = least(own)
    wrong = {
        "these are the surest": least(-own),
        "these are the surest, and those kept earlier": least(-own, known=-math.inf),
        "what was kept earlier is never hidden again": torch.zeros_like(hidden).scatter(1, everywhere, True),
        "what was kept earlier is surest of all": least(own, known=-math.inf),
        "how sure is the guess itself?": least(logits.amax(2)),
        "take the log-softmax of the logits": least(shifted.gather(2, tokens[..., None])[..., 0]),
        "`count` places are to be hidden, not kept": least(own, places - count),
        "return those to hide": ~right,
        "of each image": torch.zeros(b * places, dtype=torch.bool).scatter(0, of_all, True).view(b, places),
        "argsort gives the places in order": own.masked_fill(~hidden, math.inf).argsort(1) < count,
    }
    expect(student.rehide(shifted, tokens, hidden, count), right, wrong)
    expect(student.rehide(shifted, tokens, hidden, 0), torch.zeros_like(hidden))


@task("scale_mask")
def test_scale_mask(student, rng):
    """Random sides, from coarse to fine."""
    for maps in (2, 3, 4):
        sides = 1 + whole(rng, 3, maps).cumsum(0) + torch.arange(maps)
        scale = torch.cat([torch.full((int(side) ** 2,), i) for i, side in enumerate(sides)])
        rows, columns = scale[:, None], scale
        wrong = {
            "within a scale all look at all": torch.ones(len(scale), len(scale), dtype=torch.bool).tril(),
            "coarser scales may be looked at too": rows == columns,
            "a scale may look at itself too": rows > columns,
            "rows look, columns are looked at": rows <= columns,
            "true is where a place may look": rows < columns,
            "all coarser scales may be looked at": (rows == columns) | (rows == columns + 1),
            "the mask is bool": (rows >= columns).float(),
        }
        expect(student.scale_mask(sides), rows >= columns, wrong)
