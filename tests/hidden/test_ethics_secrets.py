"""Hidden points of 07_ethics, continued: marks in noise, and what models remember (see test_ethics.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize(("n", "size", "m"), [(4, 4, 4), (5, 6, 3), (1, 5, 9)], ids=["cube", "oblong", "one"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def patterns(rng: torch.Generator, m: int, size: int) -> Tensor:
    """m random ones, orthonormal."""
    return torch.linalg.qr(normal(rng, size * size, m).double()).Q.T.reshape(m, size, size).float()


def said(noise: Tensor, waves: Tensor) -> Tensor:
    """What each noise says along each pattern, (N, M)."""
    return torch.stack([(noise * wave).sum((1, 2)) for wave in waves], 1)


def along(numbers: Tensor, waves: Tensor) -> Tensor:
    """(N, M) -> (N, H, W)."""
    return torch.stack([sum(number * wave for number, wave in zip(row, waves)) for row in numbers])


@task("noise_mark")
@shapes
def test_mark(student, rng, n, size, m):
    """Random noise, patterns and keys: what lies along the patterns is the key, what lies across is as it was."""
    noise, waves, key = normal(rng, n, size, size), patterns(rng, m, size), normal(rng, m)
    f, keys = said(noise, waves), key.expand(n, m)
    right = noise + along(keys - f, waves)
    wrong = {
        "the key takes the place of what was there": noise + along(keys, waves),
        "the key itself is missing": noise - along(f, waves),
        "what lies across the patterns stays": along(keys, waves),
        "the sign is turned": noise + along(f - keys, waves),
        "return the noise with the mark": along(keys - f, waves),
    }
    if n > 1:
        wrong["each noise says something else"] = noise + along(keys - f.mean(0), waves)
    if n == m:
        wrong["the key belongs to patterns"] = noise + along(key[:, None] - f, waves)
    got = student.mark(noise, waves, key)
    expect(got, right, wrong)
    expect(said(got, waves), keys)
    across = got - along(said(got, waves), waves) - (noise - along(f, waves))
    expect(across, torch.zeros_like(noise))


def upper(score: Tensor) -> Tensor:
    return torch.special.ndtr(-score.double()).float()


@task("noise_mark")
@shapes
def test_p_value(student, rng, n, size, m):
    """Random noise, on which the key happens to be or not to be."""
    noise, waves, key = 3 * normal(rng, n, size, size), patterns(rng, m, size), normal(rng, m)
    f = said(noise, waves)
    score = (f * key).sum(1) / f.square().sum(1).sqrt()
    wrong = {
        "this is P(N <= s)": 1 - upper(score),
        "this is a test on both sides": 2 * upper(score.abs()),
        "s, not its absolute value": upper(score.abs()),
        "return p, not s": score,
        "divide by the length of what was found, not by the key's": upper((f * key).sum(1) / key.norm()),
        "the key's length belongs to s": upper(score / key.norm()),
        "s is not divided by the length of f": upper((f * key).sum(1)),
        "divide by the length, not by its square": upper(score / f.norm(dim=1)),
        "divide by the length of f, not of the whole noise": upper((f * key).sum(1) / noise.flatten(1).norm(dim=1)),
        "the half before erfc is missing": 2 * upper(score),
        "s is divided by the root of 2 in erfc": torch.erfc(score) / 2,
    }
    if n > 1:
        wrong["each picture has a length of its own"] = upper((f * key).sum(1) / f.norm())
    expect(student.p_value(noise, waves, key), upper(score), wrong)


@task("noise_mark")
def test_p_value_of_a_mark(student, rng):
    """A long key on a marked noise and half of it: no digits are lost where p is tiny, however strong the noise is."""
    waves, key = patterns(rng, 80, 10), normal(rng, 80).sign() * between(rng, 0.9, 1.1, 80)
    noise = along(torch.stack([key, 7 * key, key * (torch.arange(80) < 45)]), waves)
    f = said(noise, waves).double()
    score = f @ key.double() / f.norm(dim=1)
    got = student.p_value(noise, waves, key)
    require(isinstance(got, Tensor) and got.shape == (3,), "return a p for each picture, (N,)")
    lost = "1 - erf has no digits left where the mark is certain"
    require(bool((got > 0).all()), lost)
    expect(got.double().log10().float(), torch.special.log_ndtr(-score).div(math.log(10)).float(), atol=0.01)


@task("exposure")
@pytest.mark.parametrize(("k", "r"), [(8, 8), (1, 60), (5, 300)], ids=["alike", "one", "many"])
def test_exposure(student, rng, k, r):
    """Random losses, some of them equal."""
    canaries, references = normal(rng, k) - 0.8, normal(rng, r)
    canaries[0] = references[3]
    if k > 2:
        canaries[1], canaries[2] = references.min() - 1, references.max() + 1
    rank = torch.tensor([1 + sum(other <= own for other in references.tolist()) for own in canaries.tolist()])
    below = torch.tensor([1 + sum(other < own for other in references.tolist()) for own in canaries.tolist()])
    right = math.log2(r + 1) - rank.log2()
    above = torch.tensor([1 + sum(other >= own for other in references.tolist()) for own in canaries.tolist()])
    wrong = {
        "bits are logarithms with base 2": right * math.log(2),
        "bits are logarithms with base 2, not 10": right * math.log10(2),
        "the rank counts from 1": math.log2(r + 1) - (rank - 1).log2(),
        "a low loss is what the model finds likely": math.log2(r + 1) - above.log2(),
        "the canary is one of those that are sorted": math.log2(r) - rank.log2(),
        "references with the same loss come before it": math.log2(r + 1) - below.log2(),
        "this is a quotient: take its logarithm": (r + 1) / rank,
        "this is the rank": rank.log2(),
        "the sign is turned": -right,
        "return the exposure of each canary": right.mean(),
    }
    if k == r:
        wrong["all canaries meet all references"] = math.log2(r + 1) - (
            1 + (references <= canaries).sum()
        ).log2().expand(k)
    if k > 1:
        among = torch.tensor(
            [sum(o <= own for o in [*canaries.tolist(), *references.tolist()]) for own in canaries.tolist()]
        )
        wrong["each canary is ranked by itself"] = math.log2(r + 1) - among.log2()
    expect(student.exposure(canaries, references), right, wrong)


@task("exposure")
def test_exposure_of_shuffled_losses(student, rng):
    """All ranks once: any order of references will do, and any scale of losses."""
    references = torch.randperm(31, generator=rng, device="cpu") * 2.0
    canaries = torch.randperm(32, generator=rng, device="cpu") * 2.0 - 1
    want = 5 - ((canaries + 3) / 2).log2()
    expect(student.exposure(canaries, references), want)
    expect(student.exposure(1000 * canaries - 5, 1000 * references - 5), want)
