"""Hidden points of the exercises of 04_transformers: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast or axis
fails by itself (images = heads = places = features) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`), and 1e-4 or 1e-3 where gradients, angles of many
radians or features of size 20 are compared, as stands there. Over 100 seeds the solution, 26 differently written right
answers and the library, 12,700 points, never failed and never used more than 11 % of the tolerance; rounding errors of
nine times that size do not occur with so few operations, so the probability that a right answer fails is taken to be
below 1e-6.
"""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4), (3, 5, 6)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value, which must be differentiable; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True)


def exact(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention in float64, one question after the other, over the keys that it may see."""
    q, k, v = q.double(), k.double(), v.double()
    mask = torch.ones((*q.shape[:-1], k.shape[-2]), dtype=torch.bool) if mask is None else mask
    scores = torch.einsum("...ld,...md->...lm", q, k) / q.shape[-1] ** 0.5
    mass = scores.exp() * mask.expand(scores.shape)
    weights = mass / mass.sum(-1, keepdim=True)
    return torch.einsum("...lm,...me->...le", weights, v), weights


@task("attention")
@shapes
@pytest.mark.parametrize("masked", [False, True], ids=["free", "masked"])
def test_attention(student, rng, shape, masked):
    """Random questions, keys and values in images and heads: values and gradients."""
    n, m, d = shape
    q, k = 1.5 * normal(rng, 2, n, n, d), 1.5 * normal(rng, 2, n, m, d)
    v = normal(rng, 2, n, m, n)
    mask = (torch.rand(2, 1, n, m, generator=rng, device="cpu") < 0.5) if masked else None
    if masked:
        mask[..., 0] |= ~mask.any(-1)
        mask[..., -1] &= mask[..., :-1].all(-1).logical_not()  # something is hidden from each, something is not
    for part in (q, k, v):
        part.requires_grad_()
    right = tuple(part.float() for part in exact(q, k, v, mask))
    scores = q @ k.mT / math.sqrt(d)
    hidden = scores if mask is None else scores.masked_fill(~mask, -math.inf)

    def attended(scores: Tensor, axis: int = -1) -> tuple[Tensor, Tensor]:
        weights = scores.softmax(axis)
        return weights @ v, weights

    wrong = {
        "the scores must be divided by the root of d": attended(hidden * math.sqrt(d)),
        "divide by the root of d, not by d": attended(hidden / math.sqrt(d)),
        "divide by the root of d instead of multiplying": attended(hidden * d),
        "the softmax runs over the keys": attended(hidden, -2),
        "these weights do not sum to 1": (hidden.exp() @ v, hidden.exp()),
        "the means come first, then the weights": right[::-1],
        "return two things": right[0],
    }
    if mask is not None:
        free = scores.softmax(-1) * mask
        wrong |= {
            "the mask is ignored": attended(scores),
            "the mask is turned: true is where a place may look": attended(scores.masked_fill(mask, -math.inf)),
            "a score of 0 is not nothing": attended(scores * mask),
            "hide before the softmax, not after it": (free @ v, free),
            "the mask is not a score to be added": attended(scores + mask),
        }
    else:
        wrong["nobody asked for a causal mask"] = attended(
            scores.masked_fill(~torch.ones(n, m, dtype=torch.bool).tril(), -math.inf)
        )
    got = student.attention(q, k, v, mask)
    expect(got, right, wrong)
    weight, of_weights = normal(rng, *right[0].shape), normal(rng, *right[1].shape)
    loss = (exact(q, k, v, mask)[0] * weight).sum() + (exact(q, k, v, mask)[1] * of_weights).sum()
    want = torch.autograd.grad(loss, (q, k, v))
    require(got[0].requires_grad and got[1].requires_grad, "no gradient passes through your function: detach nothing")
    total = (got[0] * weight).sum() + (got[1] * of_weights).sum()
    expect(torch.autograd.grad(total, (q, k, v), materialize_grads=True), tuple(want), atol=1e-4)


@task("heads")
@pytest.mark.parametrize(("b", "places", "heads", "d"), [(4, 4, 4, 4), (3, 5, 2, 6)], ids=["cube", "oblong"])
def test_heads(student, rng, b, places, heads, d):
    """Random features: split, merge, and their gradients."""
    x, weight = normal(rng, b, places, heads * d).requires_grad_(), normal(rng, b, heads, places, d)
    parts = torch.stack(x.split(d, dim=2), dim=1)
    cut = x.unflatten(2, (heads, d))
    wrong = {
        "a view alone mixes places and features": x.reshape(b, heads, places, d),
        "the axes are to be exchanged": cut,
        "each head has neighbouring features": x.unflatten(2, (d, heads)).permute(0, 3, 1, 2),
        "`heads` is the number of parts, not their size": x.unflatten(2, (d, heads)).transpose(1, 2),
        "the features of a place stand last": cut.permute(0, 2, 3, 1),
    }
    got = student.split_heads(x, heads)
    expect(got, parts, wrong)
    expect(gradients(got, weight, x), (torch.cat(weight.unbind(1), dim=2),))
    y = normal(rng, b, heads, places, d).requires_grad_()
    wrong = {
        "a view alone mixes places and features: exchange the axes first": y.reshape(b, places, -1),
        "the features of a head stay together": y.permute(0, 2, 3, 1).flatten(2),
        "the last two axes are to become one": y.transpose(1, 2),
        "do not add the heads": y.sum(1),
        "do not average the heads": y.mean(1),
        "heads stand side by side in the features": y.flatten(1, 2),
    }
    got = student.merge_heads(y)
    expect(got, torch.cat(y.unbind(1), dim=2), wrong)
    weight = normal(rng, b, places, heads * d)
    expect(gradients(got, weight, y), (torch.stack(weight.split(d, dim=2), dim=1),))


@task("grid_positions")
@pytest.mark.parametrize(("places", "width"), [(8, 8), (11, 36)], ids=["square", "oblong"])
def test_grid_positions(student, rng, places, width):
    """Random places of a large grid."""
    rows, columns = torch.randint(1, 33, (2, places), generator=rng, device="cpu")
    rows[0], columns[1] = 40, 37  # so that no two of them are alike in all places

    def code(p: Tensor, n: int, sign: int = -1, first: int = 0, step: float = 1.0) -> tuple[Tensor, Tensor]:
        turns = [10000.0 ** (sign * step * (first + j) / n) for j in range(n)]
        angles = p[:, None].double() * torch.tensor(turns, dtype=torch.double)
        return angles.cos().float(), angles.sin().float()

    def row_by_row(*how) -> Tensor:
        return torch.cat([*code(rows, *how), *code(columns, *how)], dim=1)

    n = width // 4
    cos_r, sin_r, cos_c, sin_c = *code(rows, n), *code(columns, n)
    whole = torch.cat(code(rows, 2 * n), 1), torch.cat(code(columns, 2 * n), 1)
    one = torch.stack([cos_r, sin_r], 2).flatten(1), torch.stack([cos_c, sin_c], 2).flatten(1)
    ends = code(rows, n, -1, 0, n / max(n - 1, 1)), code(columns, n, -1, 0, n / max(n - 1, 1))
    coarse = [10000.0 ** (-j / (2 * n)) for j in range(n)]
    half = [
        torch.cat([f(p[:, None] * torch.tensor(coarse)) for f in (torch.cos, torch.sin)], 1) for p in (rows, columns)
    ]
    wrong = {
        "the row comes first": torch.cat([cos_c, sin_c, cos_r, sin_r], 1),
        "cosines come first, then sines": torch.cat([sin_r, cos_r, sin_c, cos_c], 1),
        "the row's cosines and sines come first": torch.cat([cos_r, cos_c, sin_r, sin_c], 1),
        "do not interleave cosines with sines": torch.cat(one, 1),
        "n is the number of waves of one coordinate, a quarter of the width": torch.cat(half, 1),
        "the exponent is -j / n: the first wave turns by 1": row_by_row(n, 1),
        "the exponent is -j / n, not -2j / n": row_by_row(n, -1, 0, 2.0),
        "the exponent is -j / n, not -j / (n - 1)": torch.cat([*ends[0], *ends[1]], 1),
        "the waves begin at j = 0": row_by_row(n, -1, 1),
        "do not add the codes of row and column": whole[0] + whole[1],
        "this tells the row only": whole[0],
        "this tells the column only": whole[1],
    }
    right = torch.cat([cos_r, sin_r, cos_c, sin_c], 1)
    expect(student.grid_positions(rows, columns, width), right, wrong, atol=1e-4)


def modulated(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Each place normalised, stretched and shifted."""
    x = x - x.mean(2, keepdim=True)
    return x / x.square().mean(2, keepdim=True).add(1e-5).sqrt() * (1 + gain[:, None]) + bias[:, None]


@task("ada_ln")
@shapes
def test_modulate(student, rng, shape):
    """Random features and knobs: values and gradients."""
    b, _, d = shape
    x = (20 * normal(rng, *shape) + 10 * normal(rng, *shape[:2], 1) + 5 * torch.arange(d)).requires_grad_()
    gain, bias = normal(rng, b, d).requires_grad_(), normal(rng, b, d).requires_grad_()
    each, shift = 1 + gain[:, None], bias[:, None]

    def normed(*axes: int, correction: int = 0) -> Tensor:
        return (x - x.mean(axes, keepdim=True)) / x.std(axes, keepdim=True, correction=correction)

    right = modulated(x, gain, bias)
    wrong = {
        "stretch by 1 + gain": right - normed(2),
        "the features are not normalised": x * each + shift,
        "normalise each place by itself": normed(1, 2) * each + shift,
        "normalise over the features, the last axis": normed(1) * each + shift,
        "the variance divides by D, not by D - 1": normed(2, correction=1) * each + shift,
        "the mean is to be subtracted": x / x.square().mean(2, keepdim=True).sqrt() * each + shift,
        "the bias is missing": right - shift,
        "the bias comes after the gain": (normed(2) + shift) * each,
        "the gain is missing": normed(2) + shift,
    }
    if shape[0] == shape[1]:
        wrong["(B, D) needs an axis in the middle"] = normed(2) * (1 + gain) + bias
        wrong["(B, D) needs an axis in the middle, for the gain too"] = normed(2) * (1 + gain) + shift
        wrong["(B, D) needs an axis in the middle, for the bias too"] = normed(2) * each + bias
    got = student.modulate(x, gain, bias)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, x, gain, bias), gradients(right, weight, x, gain, bias), atol=1e-4)


@task("ada_ln")
@shapes
def test_ada_ln(student, rng, shape):
    """A random branch and random knobs: values and gradients."""
    student.modulate = modulated
    b, places, d = shape
    x = (20 * normal(rng, *shape)).requires_grad_()
    gain, bias, gate = (normal(rng, b, d).requires_grad_() for _ in range(3))
    mix, turn = normal(rng, places, places), normal(rng, d, d)

    def branch(h: Tensor) -> Tensor:
        return torch.einsum("lm,bmd->bld", mix, torch.tanh(h @ turn)) + h.square()

    each, h = gate[:, None], modulated(x, gain, bias)
    right = x + each * branch(h)
    wrong = {
        "the gate is missing": x + branch(h),
        "the residual is missing": each * branch(h),
        "the gate belongs to the branch alone": each * (x + branch(h)),
        "the gate is gate, not 1 + gate": x + (1 + each) * branch(h),
        "x passes whole": (1 - each) * x + each * branch(h),
        "the branch must be given the modulated x": x + each * branch(x),
        "x itself is passed on": h + each * branch(h),
        "modulate what goes into the branch": x + each * modulated(branch(x), gain, bias),
        "the gate stands behind the branch": x + branch(each * h),
    }
    if b == places:
        wrong["(B, D) needs an axis in the middle"] = x + gate * branch(h)
    got = student.ada_ln(x, branch, gain, bias, gate)
    expect(got, right, wrong, atol=1e-3, rtol=1e-4)
    weight = normal(rng, *shape)
    want = gradients(right, weight, x, gain, bias, gate)
    expect(gradients(got, weight, x, gain, bias, gate), want, atol=1e-3, rtol=1e-4)
