"""Hidden points of 05_ssms, continued: all steps at once (see test_ssms.py)."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4), (3, 7, 2)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value, which must be differentiable; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True)


@task("kernel")
@shapes
def test_kernel(student, rng, shape):
    """Random waves, input and output weights: values and gradients."""
    width, length, n = shape
    keep = torch.polar(between(rng, 0.6, 0.95, width, n), between(rng, 0.3, 2.5, width, n))
    add, read = (torch.polar(between(rng, 0.5, 2, width, n), between(rng, 0.3, 1.2, width, n)) for _ in range(2))
    given = [part.requires_grad_() for part in (keep, add, read)]

    def powers(first: int = 0) -> Tensor:
        found = [torch.ones_like(keep)]
        for _ in range(length + first - 1):
            found.append(found[-1] * keep)
        return torch.stack(found[first:], 2)

    each = (read * add)[..., None] * powers()
    right = 2 * each.real.sum(1)
    wrong = {
        "one of each pair is kept": right / 2,
        "the two conjugates are added: the result is real": 2 * each.sum(1),
        "return a real tensor": each.sum(1),
        "the real part of a product is not the product of the real parts": (
            2 * ((read.real * add.real)[..., None] * powers().real).sum(1)
        ),
        "the real part of a product": 2 * ((read * add).real[..., None] * powers().real).sum(1),
        "the powers begin with 0": 2 * ((read * add)[..., None] * powers(1)).sum(1).real,
        "this is the imaginary part": 2 * each.imag.sum(1),
        "take the real part, not the absolute value": 2 * each.sum(1).abs(),
        "b_bar is missing": 2 * (read[..., None] * powers()).sum(1).real,
        "c is missing": 2 * (add[..., None] * powers()).sum(1).real,
        "nothing is conjugated before the product": 2 * ((read.conj() * add)[..., None] * powers()).sum(1).real,
        "take powers, not exp(l a_bar)": (
            2 * ((read * add)[..., None] * torch.exp(keep[..., None] * torch.arange(length))).sum(1).real
        ),
        "the newest comes first": right.flip(1),
    }
    if width == length == n:
        wrong["sum over the states"] = 2 * each.real.sum(0)
        wrong["time stands last: (W, L)"] = right.T
    got = student.kernel(*given, length)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, width, length)
    want = gradients(right, weight, *given)
    expect(gradients(got, weight, *given), want, atol=1e-3)


def convolved(x: Tensor, K: Tensor) -> Tensor:
    """Output by output."""
    x, K = x.double(), K.double()
    y = [sum(K[:, i - j] * x[:, j] for j in range(i + 1)) for i in range(x.shape[1])]
    return torch.stack(y, 1).float()


def on_a_ring(x: Tensor, K: Tensor, length: int) -> Tensor:
    product = torch.fft.rfft(x, n=length, dim=1) * torch.fft.rfft(K.T, n=length, dim=0)
    return torch.fft.irfft(product, n=length, dim=1)


@task("causal_convolution")
@shapes
def test_causal_convolution(student, rng, shape):
    """Random sequences and kernels: values and gradients."""
    b, length, width = shape
    x, K = normal(rng, *shape).requires_grad_(), normal(rng, width, length).requires_grad_()
    right = convolved(x, K)
    wrong = {
        "time is a ring here": on_a_ring(x, K, length),
        "these outputs see the future": convolved(x.flip(1), K).flip(1),
        "keep the first L places of the result": on_a_ring(x, K, 2 * length)[:, length:],
        "multiply the transforms": x * K.T,
        "each channel has its own kernel": convolved(x, K.flip(0)),
        "each channel has its own kernel, not all the first one": convolved(x, K[:1].expand(width, -1)),
        "return the first L places only": on_a_ring(x, K, 2 * length),
    }
    if length == width:
        wrong["in the kernel time is the last axis"] = convolved(x, K.T)
        wrong["time is axis 1"] = convolved(x.mT, K).mT
        wrong["time is axis 1, not 0"] = convolved(x.transpose(0, 1), K).transpose(0, 1)
    got = student.causal_convolution(x, K)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, x, K), gradients(right, weight, x, K), atol=1e-4)


@task("causal_convolution")
def test_causal_convolution_of_long_sequences(student, rng):
    """A hundred places, and a kernel that does not fade: no output sees a later input."""
    x, K = normal(rng, 2, 101, 2), 1 + 0.1 * normal(rng, 2, 101)
    expect(student.causal_convolution(x, K), convolved(x, K), {"time is a ring": on_a_ring(x, K, 101)}, atol=1e-3)


def combined(earlier: tuple[Tensor, Tensor], later: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What `combine` asks for, so that a mistake in it is not punished twice."""
    return later[0] * earlier[0], later[0] * earlier[1] + later[1]


def looped(decay: Tensor, inputs: Tensor) -> Tensor:
    h, found = torch.zeros_like(inputs[:, 0]), []
    for a, u in zip(decay.unbind(1), inputs.unbind(1)):
        h = a * h + u
        found.append(h)
    return torch.stack(found, 1)


def passes(decay: Tensor, inputs: Tensor, *distances: int) -> Tensor:
    for d in distances:
        a, u = combined((decay[:, :-d], inputs[:, :-d]), (decay[:, d:], inputs[:, d:]))
        decay, inputs = torch.cat([decay[:, :d], a], 1), torch.cat([inputs[:, :d], u], 1)
    return inputs


@task("combine")
def test_combine(student, rng):
    """Random steps, one after the other in any grouping: values and gradients."""
    parts = [normal(rng, 3, 4) + 0.5 for _ in range(6)]
    for part in parts:
        part.requires_grad_()
    a1, u1, a2, u2, a3, u3 = parts
    wrong = {
        "the order is turned": (a1 * a2, a1 * u2 + u1),
        "what the earlier step added fades": (a1 * a2, u1 + u2),
        "decays are multiplied, not added": (a1 + a2, a2 * u1 + u2),
        "the decay of both is the product": (a2, a2 * u1 + u2),
        "the decay acts on its own input": (a1 * a2, a2 * (u1 + u2)),
        "the decay comes first, then the inputs": (a2 * u1 + u2, a1 * a2),
    }
    got = student.combine((a1, u1), (a2, u2))
    expect(got, (a1 * a2, a2 * u1 + u2), wrong)
    left, right = student.combine(got, (a3, u3)), student.combine((a1, u1), student.combine((a2, u2), (a3, u3)))
    expect(left, tuple(right))
    expect(left, (a1 * a2 * a3, a3 * (a2 * u1 + u2) + u3))
    weight = normal(rng, 3, 4)
    expect(gradients(left[1], weight, *parts), gradients(a3 * (a2 * u1 + u2) + u3, weight, *parts), atol=1e-4)


@task("combine")
@pytest.mark.parametrize(
    "shape", [(5, 5, 5), (3, 11, 2), (2, 16, 1), (2, 1, 3)], ids=["cube", "oblong", "power", "one"]
)
def test_scan(student, rng, shape):
    """Random decays of either sign, some of them 0: values and gradients."""
    student.combine = combined
    decay, inputs = normal(rng, *shape), normal(rng, *shape)
    decay[torch.rand(shape, generator=rng, device="cpu") < 0.2] = 0
    decay.requires_grad_(), inputs.requires_grad_()
    right = looped(decay, inputs)
    distances = [2**i for i in range(math.ceil(math.log2(shape[1])))]
    wrong = {
        "one pass is not enough": passes(decay, inputs, *distances[:1]),
        "the last pass is missing": passes(decay, inputs, *distances[:-1]),
        "this sums without any decay": inputs.cumsum(1),
        "time runs backwards": looped(decay.flip(1), inputs.flip(1)).flip(1),
        "this is one step late": torch.cat([0 * right[:, :1], right[:, :-1]], 1),
        "return the inputs that were summed": decay.cumprod(1),
    }
    if shape[0] == shape[1]:
        wrong["time is axis 1"] = looped(decay.transpose(0, 1), inputs.transpose(0, 1)).transpose(0, 1)
        wrong["time is axis 1, not the last"] = looped(decay.mT, inputs.mT).mT
    got = student.scan(decay, inputs)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, decay, inputs), gradients(right, weight, decay, inputs), atol=1e-3, rtol=1e-4)


@task("combine")
def test_scan_of_strong_decays(student, rng):
    """A hundred places whose product of decays no float can hold, in few passes."""
    calls = []

    def counted(earlier, later):
        calls.append(1)
        return combined(earlier, later)

    student.combine = counted
    decay, inputs = between(rng, 0.01, 0.3, 2, 100, 3), normal(rng, 2, 100, 3)
    product = decay.cumprod(1)
    wrong = {"a quotient of products of decays divides 0 by 0": product * (inputs / product).cumsum(1)}
    expect(student.scan(decay, inputs), looped(decay, inputs), wrong)
    require(len(calls) <= 18, f"{len(calls)} calls of `combine` for 100 places: merge all places of a pass at once")
