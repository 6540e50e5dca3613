"""Public points of 07_ethics, continued: marks in noise, and what models remember (see test_ethics.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

# Three patterns on pictures of two by two pixels, orthonormal; the mean of a picture is along none of them.
PATTERNS = torch.tensor([[[1.0, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]]) / 2
KEY = torch.tensor([2.0, -1, 3])
NOISE = torch.tensor([[[1.0, 3], [5, 7]], [[0, -2], [2, 4]], [[8, 0], [-4, 0]]])


def said(noise: Tensor, patterns: Tensor) -> Tensor:
    return (noise.flatten(1)[:, None] * patterns.flatten(1)).sum(-1)


def along(numbers: Tensor, patterns: Tensor) -> Tensor:
    return (numbers[..., None, None] * patterns).sum(-3)


def markings(noise: Tensor, patterns: Tensor, key: Tensor) -> tuple[Tensor, dict[str, object]]:
    """Marked noise, and what others take for it."""
    f = said(noise, patterns)
    right = noise + along(key - f, patterns)
    wrong = {
        "the key takes the place of what was there: subtract f": noise + along(key, patterns),
        "the key itself is missing: f is only taken out": noise - along(f, patterns),
        "what lies across the patterns stays: keep the rest of the noise": along(key, patterns).expand_as(noise),
        "the sign is turned: k - f": noise + along(f - key, patterns),
        "this adds what was there once more: k - f": noise + along(key + f, patterns),
        "this adds the key twice": noise + along(2 * key - f, patterns),
        "each noise says something else: f of all is not that of their mean": noise + along(key - f.mean(0), patterns),
        "each noise says something else: this takes out that of the first": noise + along(key - f[0], patterns),
        "each pattern is multiplied by its own number": noise + (key - f).sum(1)[:, None, None] * patterns.sum(0),
        "each pattern has its own number of the key, in the order given": noise + along(key.flip(0) - f, patterns),
        "f is a sum over pixels, not a mean": noise + along(key - f / noise[0].numel(), patterns),
        "return the noise with the mark, not the mark alone": along(key - f, patterns),
    }
    if len(noise) == len(key):
        wrong["the key belongs to patterns, not to pictures"] = noise + along(key[:, None] - f, patterns)
    return right, wrong


@task("noise_mark")
def test_mark_values(student):
    """Three noises of four pixels: what lies along the patterns is replaced, their mean stays."""
    right, wrong = markings(NOISE, PATTERNS, KEY)
    expect(right[0], torch.tensor([[6.0, 4], [1, 5]]))
    expect(student.mark(NOISE, PATTERNS, KEY), right, wrong)


@task("noise_mark")
def test_mark_says_the_key(student):
    """Whoever looks finds the key in any noise, and marking twice is marking once."""
    waves = torch.linalg.qr(torch.arange(150.0).mul(3).sin().view(25, 6)).Q.T.reshape(6, 5, 5)
    noise, key = torch.arange(100.0).cos().view(4, 5, 5), torch.tensor([1.0, -2, 0.5, 0, 3, -1])
    marked = student.mark(noise, waves, key)
    expect(marked, *markings(noise, waves, key))
    expect(said(marked, waves), key.expand(4, -1))
    expect(student.mark(marked, waves, key), marked, atol=1e-4)


def upper(score: Tensor) -> Tensor:
    """P(N(0, 1) >= score)."""
    return torch.special.ndtr(-score.double()).float()


def p_values(noise: Tensor, patterns: Tensor, key: Tensor) -> tuple[Tensor, dict[str, object]]:
    """p of each picture, and what others take for it."""
    f = said(noise, patterns)
    score = f @ key / f.norm(dim=1)
    wrong = {
        "this is P(N <= s): a mark makes s large, and p is what lies above": 1 - upper(score),
        "this is a test on both sides: only a large s speaks for the key": 2 * upper(score.abs()),
        "s, not its absolute value: what points away from the key is not marked": upper(score.abs()),
        "return p, not s": score,
        "divide by the length of what was found, not by the key's: nobody knows how long a picture's f is": upper(
            f @ key / key.norm()
        ),
        "divide by the length of f only: the key is Gaussian, and its length belongs to s": upper(score / key.norm()),
        "s is not divided by the length of f": upper(f @ key),
        "divide by the length, not by its square": upper(score / f.norm(dim=1)),
        "divide by the length, not by the root of M": upper(f @ key / len(key) ** 0.5),
        "this is a mean over patterns: s is a sum": upper(score / len(key)),
        "each picture has a length of its own": upper(f @ key / f.norm()),
        "divide by the length of f, not of the whole noise": upper(f @ key / noise.flatten(1).norm(dim=1)),
        "the half before erfc is missing": 2 * upper(score),
        "s is divided by the root of 2 in erfc": torch.erfc(score) / 2,
        "s is divided by the root of 2, not by 2": torch.erfc(score / 2) / 2,
        "this is the distance to the key, not how well f points along it": upper((key - f).norm(dim=1)),
    }
    return upper(score), wrong


@task("noise_mark")
def test_p_value_values(student):
    """Three noises, of which one points against the key, and one has nothing to do with it."""
    right, wrong = p_values(NOISE, PATTERNS, KEY)
    expect(student.p_value(NOISE, PATTERNS, KEY), right, wrong)
    got = student.p_value(torch.tensor([[[5.0, 5], [6, 6]]]), PATTERNS, torch.tensor([0.0, 3, 4]))
    expect(got, torch.tensor([0.5]))


@task("noise_mark")
def test_p_value_of_a_mark(student):
    """A long key that is there has p of 10^-19 or less, not 0."""
    waves, key = torch.eye(100)[:81].view(81, 10, 10), torch.ones(81)
    noise = torch.stack([waves.sum(0), 5 * waves.sum(0), waves[:40].sum(0)])
    got = student.p_value(noise, waves, key)
    require(isinstance(got, Tensor) and got.shape == (3,), "return a p for each picture, (N,)")
    lost = "1 - erf has no digits left where the mark is certain: torch.erfc has all of them"
    require(bool((got > 0).all()), lost)
    expect(got.log10(), torch.tensor([-18.9475, -18.9475, -9.8963]), {lost: got.log10() * math.nan}, atol=0.01)


CANARIES, REFERENCES = torch.tensor([3.0, 0.5, 9.0]), torch.tensor([1.0, 2, 3, 4, 5, 6, 7])


def exposures(canaries: Tensor, references: Tensor) -> tuple[Tensor, dict[str, object]]:
    """Bits, and what others take for them."""
    below = (references < canaries[:, None]).sum(1)
    rank, total = 1 + (references <= canaries[:, None]).sum(1), len(references) + 1
    right = math.log2(total) - rank.log2()
    among = 1 + (torch.cat([canaries, references]) <= canaries[:, None]).sum(1) - 1
    wrong = {
        "bits are logarithms with base 2": right * math.log(2),
        "bits are logarithms with base 2, not 10": right * math.log10(2),
        "the rank counts from 1: the best canary would have infinitely many bits": math.log2(total) - (rank - 1).log2(),
        "a low loss is what the model finds likely: the rank counts what lies below": math.log2(total)
        - (1 + (references >= canaries[:, None]).sum(1)).log2(),
        "the canary is one of those that are sorted: R + 1, not R": math.log2(total - 1) - rank.log2(),
        "references with the same loss come before it": math.log2(total) - (1 + below).log2(),
        "half of those with the same loss: all of them come before it": (
            math.log2(total) - (1 + (below + rank - 1) / 2).log2()
        ),
        "each canary is ranked by itself, not among the others": math.log2(len(references) + len(canaries))
        - among.log2(),
        "each canary is ranked by itself, not among the others: they are no references": (
            math.log2(total + len(canaries)) - (1 + among).log2()
        ),
        "each canary is ranked by itself: the others are no references": math.log2(total) - among.log2(),
        "this is a quotient: take its logarithm": total / rank,
        "this is the rank: compare it with R + 1": rank.log2(),
        "the sign is turned: what a canary gives away is above 0": -right,
        "return the exposure of each canary": right.mean(),
        "return the exposure of each canary, not of all together": right.sum(),
        "the difference of logarithms, not the logarithm of the difference": (total - rank + 1).log2(),
    }
    if len(canaries) == len(references):
        hint = "all canaries meet all references: one of them needs an axis of size 1"
        wrong[hint] = math.log2(total) - (1 + (references <= canaries).sum()).log2().expand(len(canaries))
    return right, wrong


@task("exposure")
def test_exposure_values(student):
    """Among seven references: two are better and one is as good, none, all."""
    right, wrong = exposures(CANARIES, REFERENCES)
    expect(right, torch.tensor([1.0, 3, 0]))
    expect(student.exposure(CANARIES, REFERENCES), right, wrong)


@task("exposure")
def test_exposure_of_a_model_without_memory(student):
    """One that finds everything equally likely gives nothing away; and there may be as many canaries as references."""
    expect(student.exposure(torch.zeros(2), torch.zeros(1023)), *exposures(torch.zeros(2), torch.zeros(1023)))
    several = torch.tensor([4.0, 0, 2.5, 8, 3, 6, 5])
    expect(student.exposure(several, REFERENCES), *exposures(several, REFERENCES))
