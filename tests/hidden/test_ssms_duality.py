"""Hidden points of 05_ssms, continued: recurrence as attention (see test_ssms.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4, 4), (2, 6, 3, 2, 5)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(values: tuple[Tensor, ...], weights: tuple[Tensor, ...], *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of all values, each of which must be differentiable; 0 for what it does not depend on."""
    require(all(value.requires_grad for value in values), "no gradient passes through your function: detach nothing")
    total = sum((value * weight).sum() for value, weight in zip(values, weights))
    return torch.autograd.grad(total, of, materialize_grads=True)


def reference(log_decay: Tensor) -> Tensor:
    """What `decay_matrix` asks for, row by row: each sum by itself."""
    length, rows = log_decay.shape[-1], []
    for i in range(length):
        faded = [log_decay[..., j + 1 : i + 1].sum(-1).exp() for j in range(i + 1)]
        rows.append(torch.stack(faded + [torch.zeros_like(faded[0])] * (length - i - 1), -1))
    return torch.stack(rows, -2)


@task("decay_matrix")
@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 7), (5,)], ids=["square", "heads", "one"])
def test_decay_matrix(student, rng, shape):
    """Random decays: values and gradients."""
    log_decay = (-between(rng, 0.05, 1.5, *shape)).requires_grad_()
    length = shape[-1]
    right, past = reference(log_decay), torch.ones(length, length).tril()
    total, own = log_decay.cumsum(-1), log_decay.exp()
    whole = torch.exp(total[..., None] - total[..., None, :])
    distance = (torch.arange(length)[:, None] - torch.arange(length)).clamp(min=0)
    wrong = {
        "the decay of place j itself does not count": right * own[..., None, :],
        "rows read, columns are written": right.mT,
        "above the diagonal there are zeros": whole,
        "e^0 = 1": right + 1 - past,
        "the sign is turned": past / whole,
        "each step has a decay of its own": own[..., None] ** distance * past,
        "decays are multiplied over all places between": (own[..., None] * past).tril(-1) + torch.eye(length),
        "the decay of the place i counts too": (right / own[..., None]).tril(-1) + torch.eye(length),
        "the decays before j do not count": total.exp()[..., None] * past,
        "take the exponential, with zeros above the diagonal": torch.where(past > 0, right.log(), 0.0),
        "take the exponential": right.log(),
        "the diagonal is 1": right.tril(-1),
    }
    got = student.decay_matrix(log_decay)
    expect(got, right, wrong)
    weight = normal(rng, *right.shape)
    expect(gradients((got,), (weight,), log_decay), gradients((right,), (weight,), log_decay), atol=1e-4)


@task("decay_matrix")
def test_decay_matrix_of_strong_decays(student, rng):
    """Sixty places that forget almost everything, values and gradients."""
    log_decay = (-between(rng, 8, 60, 2, 60)).requires_grad_()
    right, past = reference(log_decay), torch.ones(60, 60).tril()
    total = log_decay.detach().double().cumsum(1).float()
    infinite, ratio = (total[..., None] - total[:, None]).exp(), total.exp()[..., None] / total.exp()[:, None]
    wrong = {
        "a quotient of products of decays is 0 divided by 0": ratio * past,
        "a quotient of products is 0 divided by 0": ratio.masked_fill(past == 0, 0),
        "infinity times 0 is NaN": infinite * past,
        "infinity is left above the diagonal": torch.where(past > 0, infinite, math.inf),
    }
    got = student.decay_matrix(log_decay)
    expect(got, right, wrong, atol=1e-4)
    (slope,) = gradients((got,), (torch.ones(()),), log_decay)
    require(bool(slope.isfinite().all()), "the gradient is NaN: mask before the exponential, not after it")
    expect(slope, *gradients((right,), (torch.ones(()),), log_decay), atol=1e-3)


def random_inputs(rng: torch.Generator, shape: tuple[int, ...]) -> list[Tensor]:
    """x, log_decay, B, C and a state."""
    b, length, heads, width, n = shape
    x, log_decay = normal(rng, b, length, heads, width), -between(rng, 0.05, 1, b, length, heads)
    return [x, log_decay, normal(rng, b, length, n), normal(rng, b, length, n), normal(rng, b, heads, width, n)]


def recurrent(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Place by place."""
    y = []
    for i in range(x.shape[1]):
        h = log_decay[:, i, :, None, None].exp() * h + x[:, i, :, :, None] * B[:, i, None, None]
        y.append((h * C[:, i, None, None]).sum(-1))
    return torch.stack(y, 1), h


def square(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """What `ssd` asks for, so that a mistake in it is not punished twice."""
    return recurrent(x, log_decay, B, C, x.new_zeros(len(x), *x.shape[2:], B.shape[-1]))[0]


def weighted(weights: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("bhij,bjhp->bihp", weights, x)


@task("ssd")
@shapes
def test_ssd(student, rng, shape):
    """Random sequences, as place by place: values and gradients."""
    student.decay_matrix = reference
    *given, state = random_inputs(rng, shape)
    x, log_decay, B, C = given
    for part in given:
        part.requires_grad_()
    right, _ = recurrent(*given, 0 * state)
    M, score, past = reference(log_decay.mT), (C @ B.mT)[:, None], torch.ones(shape[1], shape[1]).tril()
    softmax = score.masked_fill(past == 0, -math.inf).softmax(-1)
    wrong = {
        "B writes and C reads": weighted(M * score.mT, x),
        "the decay is missing": weighted((score * past).expand_as(M), x),
        "places see the future": weighted(score.expand_as(M), x),
        "there is no softmax here": weighted(softmax.expand_as(M), x),
        "there is no softmax here: products are taken as they are": weighted(M * softmax, x),
        "nothing is divided by the root of N": right / shape[4] ** 0.5,
        "divide by nothing": weighted(M * score / (M * score).sum(-1, keepdim=True), x),
        "the weights are turned over": weighted((M * score).mT, x),
        "C and B are missing": weighted(M, x),
        "each head has its own decay, not the mean": weighted(reference(log_decay.mean(2, keepdim=True).mT) * score, x),
        "each head has its own decay": weighted(M[:, :1].expand_as(M) * score, x),
    }
    if shape[1] == shape[2]:
        wrong |= {
            "decay_matrix wants time last": weighted(reference(log_decay) * score, x),
            "heads and places have changed places": right.transpose(1, 2),
        }
    got = student.ssd(*given)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, *right.shape)
    want = gradients((right,), (weight,), *given)
    expect(gradients((got,), (weight,), *given), want, atol=1e-3)


@task("chunked")
@pytest.mark.parametrize(
    ("shape", "chunk"),
    [((4, 4, 4, 4, 4), 2), ((2, 12, 3, 2, 5), 4), ((2, 6, 3, 2, 5), 6)],
    ids=["cube", "oblong", "one"],
)
def test_chunked(student, rng, shape, chunk):
    """Random sequences and states, as place by place: values and gradients."""
    student.ssd, student.decay_matrix = square, reference
    given = random_inputs(rng, shape)
    for part in given:
        part.requires_grad_()
    *sequences, state = given
    right = recurrent(*given)
    parts = [[part.split(chunk, 1)[i] for part in sequences] for i in range(shape[1] // chunk)]
    apart = torch.cat([square(*part) for part in parts], 1)
    restarted = torch.cat([recurrent(*part, state)[0] for part in parts], 1)
    wrong = {
        "chunks know nothing of each other": (apart, right[1]),
        "chunks know nothing of each other, and the state stays": (apart, state),
        "the state that is given is ignored": recurrent(*sequences, 0 * state),
        "hand the new state on": (restarted, right[1]),
        "hand the new state on, and return it": (restarted, state),
        "return the carry after the last chunk": (right[0], state),
        "y comes first, then the carry": right[::-1],
        "return both": right[0],
    }
    got = student.chunked(*sequences, chunk, state)
    expect(got, right, wrong, atol=1e-4)
    weights = normal(rng, *right[0].shape), normal(rng, *state.shape)
    want = gradients(right, weights, *given)
    expect(gradients(got, weights, *given), want, atol=1e-3)


@task("chunked")
def test_chunked_of_strong_decays(student, rng):
    """Long sequences that forget almost everything, in several chunk sizes."""
    student.ssd, student.decay_matrix = square, reference
    x, _, B, C, state = random_inputs(rng, (2, 48, 2, 2, 3))
    log_decay = -between(rng, 5, 40, 2, 48, 2)
    want = recurrent(x, log_decay, B, C, state)
    lost = {"a quotient of products of decays is 0 divided by 0": (want[0] * math.nan, want[1] * math.nan)}
    for chunk in (6, 16, 48):
        expect(student.chunked(x, log_decay, B, C, chunk, state), want, lost, atol=1e-4)
