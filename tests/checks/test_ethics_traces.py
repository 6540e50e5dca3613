"""Public points of 07_ethics, continued: where a picture came from (see test_ethics.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def rings(power: Tensor, radius: Tensor, count: int) -> Tensor:
    """The mean over each ring."""
    return torch.stack([power[..., radius == r].mean(-1) for r in range(count)], -1)


def spectra(x: Tensor) -> tuple[Tensor, dict[str, object]]:
    """The spectrum, and what others take for it."""
    size, n = x.shape[-1], x.shape[-1] // 2 + 1
    u = torch.tensor([i if i <= (size - 1) // 2 else i - size for i in range(size)])
    radius = (u[:, None] ** 2 + u**2).sqrt()
    every = torch.fft.fft2(x, norm="ortho").abs() ** 2
    power, near = every.mean((0, 1)), radius.round()
    right = rings(power, near, n)
    plain = torch.arange(size)
    unwrapped = (plain[:, None] ** 2 + plain**2).sqrt().round()
    whole = torch.stack([power[near == r].sum() for r in range(n)])
    wrong = {
        "the mean over a ring is wanted, not the sum: outer rings have more members": whole,
        "power is the square of the absolute value": rings(every.sqrt().mean((0, 1)), near, n),
        "average the powers, not the pictures: in a mean of pictures the fine parts cancel": rings(
            torch.fft.fft2(x.mean((0, 1)), norm="ortho").abs() ** 2, near, n
        ),
        "average the powers, not the transforms: their phases cancel": rings(
            torch.fft.fft2(x, norm="ortho").mean((0, 1)).abs() ** 2, near, n
        ),
        'the transform is not orthonormal: norm="ortho"': right * size**2,
        'this transform is divided by all of H H, not by H: norm="ortho"': right / size**2,
        "the second half of the frequencies is negative: size - 1 stands for -1": rings(power, unwrapped, n),
        "the frequencies of fftfreq are shares: times H": rings(power, (radius / size).round(), n),
        "round the radius, do not cut it off": rings(power, radius.floor(), n),
        "round the radius, not up": rings(power, radius.ceil(), n),
        "the root is missing: the radius is the root of u^2 + v^2": rings(power, near**2, n),
        "the rings in the corners are not whole: stop at H // 2": rings(power, near, int(near.max()) + 1),
        "the ring at H // 2 is wanted as well": right[:-1],
        "nothing is subtracted: radius 0 holds the mean of the picture": right.clone().index_fill(
            0, torch.tensor([0]), 0.0
        ),
        "the ring at radius 0 is wanted as well": right[1:],
        "a power, not its logarithm": right.log(),
        "average over pictures and channels as well": rings(every, near, n),
        "average over channels as well": rings(every.mean(0), near, n),
        "average over pictures as well": rings(every.mean(1), near, n),
        "these are rings in the picture: transform it first": rings((x**2).mean((0, 1)), near, n),
        "these are rows of the plane, not rings": power.mean(0)[:n],
    }
    return right, wrong


@task("radial_spectrum")
@pytest.mark.parametrize("size", [8, 7])
def test_radial_spectrum_values(student, size):
    """Three pictures of two channels, of an even and of an odd size."""
    x = torch.arange(6.0 * size * size).mul(2.7).sin().add(0.3).view(3, 2, size, size)
    x = x * (1 + torch.arange(size)) / size
    expect(student.radial_spectrum(x), *spectra(x), atol=1e-4)


@task("radial_spectrum")
def test_radial_spectrum_of_waves(student):
    """Stripes of 3 periods, down or across, are at radius 3 and nowhere else; diagonal ones of 3 and 4 at radius 5."""
    places = 2 * math.pi * torch.arange(16.0) / 16
    down, across = places[:, None].expand(16, 16), places.expand(16, 16)
    for wave, radius, members in (
        ((3 * down).cos(), 3, 16),
        ((3 * across).sin(), 3, 16),
        ((3 * down + 4 * across).cos(), 5, 28),
    ):
        want = torch.zeros(9)
        want[radius] = 2 * 64 / members
        wrong = {"both directions count, u and v": torch.zeros(9), "the mean over a ring, not the sum": want * members}
        expect(student.radial_spectrum(wave[None, None]), want, wrong, atol=1e-3)


NEGATIVES = torch.tensor([0.1, 0.9, 0.4, 0.7, 0.2, 0.8, 0.3, 0.6, 0.5, 0.0])
POSITIVES = torch.tensor([0.75, 0.95, 0.15, 0.8])


def verdicts(negatives: Tensor, positives: Tensor, fpr: float) -> tuple[tuple[Tensor, Tensor], dict[str, object]]:
    """Threshold and rate, and what others take for them."""
    down, k = negatives.sort(descending=True).values, int(fpr * len(negatives))

    def found(threshold: Tensor) -> tuple[Tensor, Tensor]:
        return threshold, (positives > threshold).float().mean()

    tau = down[k]
    both = torch.cat([negatives, positives])
    hits, false = (positives > tau).sum(), (negatives > tau).sum()
    wrong = {
        "count from 0: the (k + 1)-th largest stands at index k": found(down[max(k - 1, 0)]),
        "this is one score too low: more than k are accused": found(down[min(k + 1, len(down) - 1)]),
        "the largest scores are accused: sort from the largest down": found(negatives.sort().values[k]),
        "the threshold follows from the negatives alone": found(
            both.sort(descending=True).values[int(fpr * len(both))]
        ),
        "the threshold follows from the negatives, the rate from the positives: they have changed places": (
            positives.sort(descending=True).values[int(fpr * len(positives))],
            (negatives > positives.sort(descending=True).values[int(fpr * len(positives))]).float().mean(),
        ),
        "accused is who scores above the threshold, not who has it": (tau, (positives >= tau).float().mean()),
        "accused is who scores above the threshold, not below it": (tau, (positives < tau).float().mean()),
        "this is the false-positive rate: count the positives": (tau, (negatives > tau).float().mean()),
        "this is the share of the accused that are guilty: divide by the number of positives": (
            tau,
            hits / (hits + false),
        ),
        "this is a number of positives: divide by how many there are": (tau, hits.float()),
        "this is a number of positives: divide by how many there are, as a float": (tau, hits),
        "divide by the number of positives, not of all": (tau, hits / len(both)),
        "a quantile interpolates between two scores: take one that is there": found(negatives.quantile(1 - fpr)),
        "the threshold comes first, then the rate": found(tau)[::-1],
        "return both, the threshold and the rate": found(tau)[1],
    }
    return found(tau), wrong


@task("tpr_at_fpr")
def test_tpr_at_fpr_values(student):
    """Of ten negatives two may be accused, so the threshold is the third largest score."""
    for fpr in (0.25, 0.15):
        right, wrong = verdicts(NEGATIVES, POSITIVES, fpr)
        expect(student.tpr_at_fpr(NEGATIVES, POSITIVES, fpr), right, wrong)


@task("tpr_at_fpr")
def test_tpr_at_fpr_with_ties(student):
    """Detectors that count give equal scores: nobody is accused for having the threshold's own."""
    negatives, positives = torch.tensor([1.0, 3, 2, 3, 3, 0, 1, 3]), torch.tensor([3.0, 4, 3, 3, 2])
    right, wrong = verdicts(negatives, positives, 0.3)
    expect(right, (torch.tensor(3.0), torch.tensor(0.2)))
    expect(student.tpr_at_fpr(negatives, positives, 0.3), right, wrong)


@task("tpr_at_fpr")
def test_tpr_at_fpr_of_no_error(student):
    """If nobody innocent may be accused, the threshold is the largest negative; fpr N is rounded down."""
    right, wrong = verdicts(NEGATIVES, POSITIVES, 0.0)
    expect(student.tpr_at_fpr(NEGATIVES, POSITIVES, 0.0), right, wrong)
    wrong = {"k is rounded down: no more than fpr N may be accused": verdicts(NEGATIVES, POSITIVES, 0.1)[0]}
    expect(student.tpr_at_fpr(NEGATIVES, POSITIVES, 0.06), right, wrong)


def layered(p: Tensor, g: Tensor) -> Tensor:
    for bits in g:
        p = p * (1 + bits - (p * bits).sum(-1, keepdim=True))
    return p


def tournaments(p: Tensor, g: Tensor) -> tuple[Tensor, dict[str, object]]:
    """The winners' probabilities, and what others take for them."""
    expected = (g * p).sum(-1, keepdim=True)
    even, sums, boosted, one, twice, softened = g.mean(-1, keepdim=True), p, p, p, p, p
    for bits in g:
        boosted = boosted * (1 + bits)
        one = one * (1 - bits + (one * bits).sum(-1, keepdim=True))
        twice = _whole(twice * bits)
        sums = sums * (1 + bits - sums.sum(-1, keepdim=True))
        softened = (softened.log() + bits).softmax(-1)
    right = layered(p, g)
    wrong = {
        "only the first layer is played": layered(p, g[:1]),
        "only the last layer is played": layered(p, g[-1:]),
        "the layers are played in the order in which they are given": layered(p, g.flip(0)),
        "the winners of a layer are the candidates of the next: the sum takes the new p": p
        * (1 + g - expected).prod(0),
        "the layers are not averaged: each is played": p * (1 + g - expected).mean(0),
        "tokens count with their probabilities: sum p g, not the mean of g": p * (1 + g - even).prod(0),
        "sum p g, not p alone": sums,
        "the sum is missing: the probabilities must still sum to 1": boosted,
        "do not divide by the sum instead: the tournament says what is subtracted": _layers(
            p, g, lambda p, b: p * (1 + b)
        ),
        "this is a softmax with g added, not a tournament": softened,
        "the sign is turned: the token with the larger g wins": one,
        "a token with g = 0 can win as well, against its like": twice,
        "the 1 is missing": _layers(p, g, lambda p, b: p * (b - (p * b).sum(-1, keepdim=True)), whole=False),
        "sum over the vocabulary, for each text": _layers(
            p, g, lambda p, b: p * (1 + b - (p * b).sum(0, keepdim=True)), whole=False
        ),
        "each text has a sum of its own": _layers(p, g, lambda p, b: p * (1 + b - (p * b).sum()), whole=False),
        "return probabilities after all layers, not after each": torch.stack(
            [layered(p, g[: i + 1]) for i in range(len(g))]
        ),
        "return probabilities, not their logarithms": right.log(),
    }
    if p.shape[0] == p.shape[1]:
        hint = "the sum belongs to a text: keepdim=True"
        wrong[hint] = _layers(p, g, lambda p, b: p * (1 + b - (p * b).sum(-1)), whole=False)
    return right, wrong


def _whole(p: Tensor) -> Tensor:
    return p / p.sum(-1, keepdim=True)


def _layers(p: Tensor, g: Tensor, step, whole: bool = True) -> Tensor:
    for bits in g:
        p = _whole(step(p, bits)) if whole else step(p, bits)
    return p


P = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
G = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 0, 1], [1, 0, 0]], [[0, 1, 1], [1, 0, 1]]])


@task("tournament")
def test_tournament_of_one_layer(student):
    """A token with probability 1/2 and a 1 wins in 3/4 of the cases: unless both candidates are others."""
    right, wrong = tournaments(P, G[:1])
    expect(right, torch.tensor([[0.75, 0.15, 0.1], [0.01, 0.11, 0.88]]))
    wrong = {hint: value for hint, value in wrong.items() if "layer" not in hint}
    expect(student.tournament(P, G[:1]), right, wrong)


@task("tournament")
def test_tournament_of_several_layers(student):
    """Three layers, each with the winners of the last one."""
    expect(student.tournament(P, G), *tournaments(P, G))


@task("tournament")
def test_tournament_of_as_many_texts_as_tokens(student):
    """Three texts, three tokens: the sum belongs to a text."""
    p, g = torch.cat([P, P[:1].flip(1)]), torch.cat([G, G[:, :1].flip(2)], 1)
    expect(student.tournament(p, g), *tournaments(p, g))


@task("tournament")
def test_tournament_changes_nothing_on_average(student):
    """Over all eight keys for three tokens the mean is the p that was given; bits that are all alike decide nothing."""
    keys = torch.cartesian_prod(*[torch.tensor([0.0, 1])] * 3)
    got = student.tournament(P[:1].expand(8, 3), keys[None])
    require(isinstance(got, Tensor) and got.shape == (8, 3), "return probabilities (B, V)")
    expect(got.mean(0), P[0])
    expect(got[[0, 7]], P[:1].expand(2, 3))
