"""What `check("task")` runs for the exercises of 04_transformers, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors and functions, so that the same file serves a student in another process.
"""

from math import inf, log, nan

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

# Two questions to three keys of width 4: the scores q . k / 2 are logarithms of 2, 1, 4 and of 1, 4, 2.
Q = torch.tensor([[2.0, 0, 0, 0], [0, 2, 0, 0]])
K = log(2) * torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0], [2, 1, 0, 0]])
V = torch.tensor([[7.0, 0], [0, 7], [7, 14]])
MASK = torch.tensor([[True, False, True], [True, True, False]])


def attended(scores: Tensor, axis: int = -1) -> tuple[Tensor, Tensor]:
    """What comes of these scores, and the weights."""
    weights = scores.softmax(axis)
    return weights @ V, weights


@task("attention")
def test_attention_values(student):
    """Means of the values, weighted by the softmax of q . k / sqrt(d)."""
    scores = Q @ K.T / 2
    out, weights = torch.tensor([[6.0, 9], [3, 8]]), torch.tensor([[2.0, 1, 4], [1, 4, 2]]) / 7
    wrong = {
        "the scores must be divided by the root of d": attended(2 * scores),
        "divide by the root of d, not by d": attended(scores / 2),
        "divide by the root of d instead of multiplying": attended(4 * scores),
        "divide by the root of d, the width of a key, not of the number of keys": attended(2 * scores / 3**0.5),
        "divide by the root of d, the width of q and k, not of the values": attended(2 * scores / 2**0.5),
        "the weights of each question sum to 1: the softmax runs over the keys, the last axis": attended(scores, 0),
        "the softmax is missing": (scores @ V, scores),
        "these weights do not sum to 1: divide by their sum": (scores.exp() @ V, scores.exp()),
        "return the weights, not the scores, as the second": (out, scores),
        "return two things: the means and the weights": out,
        "the means come first, then the weights": (weights, out),
    }
    expect(student.attention(Q, K, V), (out, weights), wrong)


@task("attention")
def test_attention_mask(student):
    """Where the mask is false the weight is 0, and the others sum to 1."""
    scores = Q @ K.T / 2
    want = torch.tensor([[2.0, 0, 4], [1, 4, 0]]) / torch.tensor([[6.0], [5]])
    free = scores.softmax(-1)
    wrong = {
        "the mask is ignored": attended(scores),
        "the mask is turned: true is where a place may look": attended(scores.masked_fill(MASK, -inf)),
        "a score of 0 is not nothing, e^0 = 1: set hidden scores to -inf": attended(scores * MASK),
        "the weights that are left must sum to 1: hide before the softmax, not after it": (
            free * MASK @ V,
            free * MASK,
        ),
        "the mask is not a score to be added": attended(scores + MASK),
        "-inf times 0 is NaN: fill instead of multiplying": (torch.full((2, 2), nan), torch.full((2, 3), nan)),
    }
    expect(student.attention(Q, K, V, MASK), (want @ V, want), wrong)


@task("attention")
def test_attention_of_batches(student):
    """Images and heads are kept apart, whatever stands before the last two axes."""
    size = torch.tensor([1.0, 2, 0, -1, 3, 0.5]).view(2, 3, 1, 1)
    want = (size * Q @ K.T / 2).softmax(-1)
    got = student.attention(size * Q, K.expand(2, 3, 3, 4), V.expand(2, 3, 3, 2), MASK | ~MASK)
    expect(got, (want @ V, want))


def counted(*shape: int) -> Tensor:
    """0, 1, 2, ... in this shape."""
    return torch.arange(float(torch.tensor(shape).prod())).view(shape)


@task("heads")
def test_split_heads(student):
    """Head 0 has the first features of every place, head 1 the next."""
    x = counted(2, 4, 6)
    cut = x.view(2, 4, 3, 2)
    wrong = {
        "a view alone mixes places and features: cut the last axis, then exchange axes": x.view(2, 3, 4, 2),
        "the axes are to be exchanged: (B, heads, L, d)": cut,
        "each head has neighbouring features, not every third": x.view(2, 4, 2, 3).permute(0, 3, 1, 2),
        "`heads` is the number of parts, not their size": x.view(2, 4, 2, 3).transpose(1, 2),
        "the features of a place stand last: (B, heads, L, d)": cut.permute(0, 2, 3, 1),
    }
    expect(student.split_heads(x, 3), cut.transpose(1, 2), wrong)


@task("heads")
def test_merge_heads(student):
    """What all heads found at a place stands side by side again."""
    x = counted(2, 3, 4, 2)
    want = torch.cat([x[:, 0], x[:, 1], x[:, 2]], dim=2)
    wrong = {
        "a view alone mixes places and features: exchange the axes first": x.reshape(2, 4, 6),
        "the features of a head stay together": x.permute(0, 2, 3, 1).flatten(2),
        "the last two axes are to become one": x.transpose(1, 2),
        "do not add the heads: put them side by side": x.sum(1),
        "do not average the heads: put them side by side": x.mean(1),
        "heads stand side by side in the features, not one after the other in the places": x.flatten(1, 2),
    }
    expect(student.merge_heads(x), want, wrong)


def waves(p: Tensor, *turns: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of these angles a step."""
    angles = p[:, None] * torch.tensor(turns)
    return angles.cos(), angles.sin()


def side_by_side(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


@task("grid_positions")
def test_grid_positions_values(student):
    """Cosines and sines of the row, then of the column; with a width of 8 the waves turn by 1 and by 0.01."""
    r, c = torch.tensor([0, 1, 0, 3]), torch.tensor([0, 0, 2, 1])
    cos_r, sin_r, cos_c, sin_c = *waves(r, 1, 0.01), *waves(c, 1, 0.01)
    together = [side_by_side(*waves(p, 1, 0.1, 0.01, 0.001)) for p in (r, c)]

    def turning(*turns: float) -> Tensor:
        return side_by_side(*waves(r, *turns), *waves(c, *turns))

    wrong = {
        "the row comes first": side_by_side(cos_c, sin_c, cos_r, sin_r),
        "cosines come first, then sines": side_by_side(sin_r, cos_r, sin_c, cos_c),
        "the row's cosines and sines come first, then the column's": side_by_side(cos_r, cos_c, sin_r, sin_c),
        "all cosines of a coordinate come first: do not interleave them with the sines": torch.stack(
            [cos_r, sin_r, cos_c, sin_c], dim=1
        )
        .view(4, 2, 2, 2)
        .transpose(2, 3)
        .flatten(1),
        "n is the number of waves of one coordinate, a quarter of the width": turning(1, 0.1),
        "n is the number of waves of one coordinate, not the width": turning(1, 10**-0.5),
        "the exponent is -j / n: the first wave turns by 1, the others more slowly": turning(1, 100),
        "the exponent is -j / n, not -2j / n": turning(1, 1e-4),
        "the waves begin at j = 0": turning(0.01, 1e-4),
        "do not add the codes of row and column: half of the features is for each": together[0] + together[1],
        "this tells the row only": together[0],
        "this tells the column only": together[1],
    }
    expect(student.grid_positions(r, c, 8), side_by_side(cos_r, sin_r, cos_c, sin_c), wrong)


@task("grid_positions")
def test_grid_positions_of_distances(student):
    """The product of two codes depends on how far apart their places are, not on where."""
    r, c = torch.tensor([0, 2, 5, 7]), torch.tensor([1, 4, 3, 6])  # twice a step of 2 down and 3 to the right
    codes = student.grid_positions(r, c, 32)
    require(isinstance(codes, Tensor) and codes.shape == (4, 32), "the codes must be a tensor (N, width), here (4, 32)")
    expect(codes.square().sum(1), torch.full((4,), 16.0))
    expect((codes[0] * codes[1]).sum(), (codes[2] * codes[3]).sum())


X = torch.tensor([[[10.0, 30, 10, 30], [-30, -10, -10, -30]], [[0, 0, 40, 40], [50, 30, 50, 30]]])
NORMED = torch.tensor([[[-1.0, 1, -1, 1], [-1, 1, 1, -1]], [[-1, -1, 1, 1], [1, -1, 1, -1]]])
GAIN, BIAS = torch.tensor([[0.5, 1, 2, 0], [-0.5, 3, 0, 1]]), torch.tensor([[1.0, 2, 3, 4], [-1, 0, 1, 5]])


@task("ada_ln")
def test_modulate(student):
    """Each place normalised, then stretched by 1 + gain and shifted by bias."""
    gain, bias = GAIN[:, None], BIAS[:, None]

    def normed(axis, correction: int = 0) -> Tensor:
        return (X - X.mean(axis, keepdim=True)) / X.std(axis, keepdim=True, correction=correction)

    wrong = {
        "stretch by 1 + gain, so that a gain of 0 changes nothing": NORMED * gain + bias,
        "the features are not normalised": X * (1 + gain) + bias,
        "normalise each place by itself, over its features only": normed((1, 2)) * (1 + gain) + bias,
        "normalise over the features, the last axis, not over the places": normed(1) * (1 + gain) + bias,
        "the variance divides by D, not by D - 1": normed(2, 1) * (1 + gain) + bias,
        "the mean is to be subtracted": X / X.square().mean(2, keepdim=True).sqrt() * (1 + gain) + bias,
        "each image has its own knobs, for all its places: (B, D) needs an axis in the middle": (
            NORMED * (1 + GAIN) + BIAS
        ),
        "the bias is missing": NORMED * (1 + gain),
        "the bias comes after the gain": (NORMED + bias) * (1 + gain),
        "the gain is missing": NORMED + bias,
    }
    expect(student.modulate(X, GAIN, BIAS), NORMED * (1 + gain) + bias, wrong, atol=1e-4)


def modulated(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """What task `modulate` asks for, so that a mistake in it is not punished twice."""
    x = x - x.mean(2, keepdim=True)
    return x / x.square().mean(2, keepdim=True).add(1e-5).sqrt() * (1 + gain[:, None]) + bias[:, None]


@task("ada_ln")
def test_ada_ln(student):
    """x, and a gated change that the branch makes of the modulated x."""
    student.modulate = modulated
    gate, h = torch.tensor([[1.0, 0, -1, 2], [0.5, 3, 0, 1]]), NORMED * (1 + GAIN[:, None]) + BIAS[:, None]

    def branch(x: Tensor) -> Tensor:
        return x.flip(1) * torch.tensor([1.0, 2, 3, 4]) + 10

    each, change = gate[:, None], branch(h)
    wrong = {
        "the gate is missing": X + change,
        "the residual is missing: add x": each * change,
        "the gate belongs to the branch alone": each * (X + change),
        "the gate is gate, not 1 + gate: at 0 the block is the identity": X + (1 + each) * change,
        "x passes whole, whatever the gate": (1 - each) * X + each * change,
        "the branch must be given the modulated x": X + each * branch(X),
        "x itself is passed on, not the modulated x": h + each * change,
        "modulate what goes into the branch, not what comes out": X + each * modulated(branch(X), GAIN, BIAS),
        "the gate stands behind the branch, not before it": X + branch(each * h),
        "each image has its own gate, for all its places: (B, D) needs an axis in the middle": X + gate * change,
    }
    expect(student.ada_ln(X, branch, GAIN, BIAS, gate), X + each * change, wrong, atol=1e-3)


@task("ada_ln")
def test_ada_ln_begins_as_the_identity(student):
    """With all knobs at 0 the block changes nothing, and the gate has a slope to leave 0 by."""
    student.modulate = modulated
    zero, gate = torch.zeros(2, 4), torch.zeros(2, 4, requires_grad=True)
    got = student.ada_ln(X, lambda x: 2 * x + 1, zero, zero, gate)
    expect(got, X)
    require(got.requires_grad, "no gradient reaches the gate")
    expect(*torch.autograd.grad(got.sum(), gate), (2 * NORMED + 1).sum(1), atol=1e-4)
