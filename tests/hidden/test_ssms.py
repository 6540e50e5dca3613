"""Hidden points of the exercises of 05_ssms: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast or axis
fails by itself (sequences = places = channels = states) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`), and 1e-4 or 1e-3 where gradients, transforms or
powers of matrices are compared, as stands there. Over 40 seeds the solution, 28 differently written right answers and
the library, 7,000 points, never failed and never used more than 10 % of the tolerance; rounding errors of ten
times that size do not occur with so few operations, so the probability that a right answer fails is taken to be
below 1e-6.
"""

import math

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(values: tuple[Tensor, ...], weights: tuple[Tensor, ...], *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of all values, each of which must be differentiable; 0 for what it does not depend on."""
    require(all(value.requires_grad for value in values), "no gradient passes through your function: detach nothing")
    total = sum((value * weight).sum() for value, weight in zip(values, weights))
    return torch.autograd.grad(torch.real(total), of, materialize_grads=True)


def rates(rng: torch.Generator, n: int, waves: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues, input weights and a step."""
    a, b, dt = -between(rng, 0.3, 2, n), normal(rng, n) + 2, between(rng, 0.3, 0.8)
    if waves:
        a, b = torch.complex(a, between(rng, 1, 3, n)), torch.complex(b, normal(rng, n))
    return a, b, dt


@task("zoh")
@pytest.mark.parametrize("waves", [False, True], ids=["real", "complex"])
def test_zoh(student, rng, waves):
    """Random eigenvalues and steps: values and gradients."""
    a, b, dt = given = rates(rng, 6, waves)
    learnt = given[: 2 if waves else 3]  # torch's `where` of a real and a complex one has no gradient
    for part in learnt:
        part.requires_grad_()
    keep, area = torch.exp(dt * a), (torch.exp(dt * a) - 1) / a
    right = keep, area * b
    wrong = {
        "this is Euler's step": (1 + dt * a, dt * b),
        "dt is missing in the exponent": (a.exp(), (a.exp() - 1) / a * b),
        "dt is missing in the exponent of a_bar": (a.exp(), area * b),
        "the sign in the exponent is turned": (1 / keep, (1 / keep - 1) / a * b),
        "the sign in the exponent is turned: nothing needs a minus": (1 / keep, (1 - 1 / keep) / a * b),
        "the sign in the exponent of a_bar is turned": (1 / keep, area * b),
        "dt b is what Euler's step adds": (keep, dt * b),
        "dt stands twice in b_bar": (keep, dt * area * b),
        "divide by a, not by dt a": (keep, area / dt * b),
        "the sign of b_bar is turned": (keep, -area * b),
        "b_bar lacks the division by a": (keep, (keep - 1) * b),
        "b is missing in b_bar": (keep, area),
        "a_bar comes first, then b_bar": right[::-1],
    }
    if waves:
        wrong["keep the imaginary parts"] = (keep.real, (area * b).real)
    got = student.zoh(*given)
    expect(got, right, wrong)
    weights = tuple(normal(rng, 6) for _ in range(2))
    expect(gradients(got, weights, *learnt), gradients(right, weights, *learnt), atol=1e-4)


@task("zoh")
def test_zoh_at_and_near_zero(student, rng):
    """Some eigenvalues are 0, some almost: b_bar is right to the last digits, and no gradient is NaN."""
    a = -between(rng, 0.5, 2, 6) * torch.tensor([0, 1e-7, 1e-5, 1e-3, 1, 0])
    b, dt = (2 + normal(rng, 6).abs()).requires_grad_(), between(rng, 0.1, 0.4).requires_grad_()
    a.requires_grad_()
    exact = torch.where(a == 0, dt.double(), torch.expm1((dt * a).double()) / a.double()).float()
    got, want = student.zoh(a, b, dt), (torch.exp(dt * a), exact * b)
    hints = {
        f"where a is 0, b_bar is dt b, not {name}": (want[0], want[1].masked_fill(a == 0, value))
        for name, value in {"NaN": math.nan, "0": 0.0}.items()
    }
    expect(got, want, hints, rtol=1e-4)
    slopes = gradients(got, (torch.ones(6), torch.ones(6)), a, b, dt)
    require(all(bool(slope.isfinite().all()) for slope in slopes), "the gradient is NaN where a is 0")
    expect(slopes[1], exact.detach(), rtol=1e-4)


@task("bilinear")
@pytest.mark.parametrize("n", [2, 5])
def test_bilinear(student, rng, n):
    """Random matrices, far from symmetric: values and gradients."""
    A, B, dt = normal(rng, n, n) - 2 * torch.eye(n), normal(rng, n) + 2, float(between(rng, 0.2, 0.45))
    A.requires_grad_(), B.requires_grad_()
    one = torch.eye(n)
    half = torch.linalg.inv(one - dt / 2 * A)
    right = half @ (one + dt / 2 * A), dt * half @ B
    implicit, turned = torch.linalg.inv(one - dt * A), torch.linalg.inv(one + dt / 2 * A)
    wrong = {
        "this is Euler's step": (one + dt * A, dt * B),
        "this takes the rate after the step only": (implicit, dt * implicit @ B),
        "half of dt A stands on either side": (implicit @ (one + dt * A), dt * implicit @ B),
        "the sides are exchanged": (turned @ (one - dt / 2 * A), dt * turned @ B),
        "solve for B_bar as well": (right[0], dt * B),
        "the input is not halved": (right[0], right[1] / 2),
        "dt is missing in B_bar": (right[0], half @ B),
        "these are matrices: solve": ((one + dt / 2 * A) / (one - dt / 2 * A), right[1]),
        "nothing is transposed": (right[0].T, right[1]),
        "A_bar comes first, then B_bar": right[::-1],
    }
    got = student.bilinear(A, B, dt)
    expect(got, right, wrong, atol=1e-4, rtol=1e-4)
    weights = normal(rng, n, n), normal(rng, n)
    expect(gradients(got, weights, A, B), gradients(right, weights, A, B), atol=1e-3, rtol=1e-3)


def states(step: Tensor, put: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Before and after each input, (b, L, N): the sum of all earlier inputs, each with its power of the step."""
    powers = [torch.eye(len(step))]
    for _ in range(x.shape[1]):
        powers.append(step @ powers[-1])
    after = [sum(x[:, [j]] * (powers[i - j] @ put) for j in range(i + 1)) for i in range(x.shape[1])]
    return torch.stack([0 * after[0], *after[:-1]], 1), torch.stack(after, 1)


@task("recurrence")
@pytest.mark.parametrize(("b", "length", "n"), [(4, 4, 4), (3, 7, 2)], ids=["cube", "oblong"])
def test_recurrence(student, rng, b, length, n):
    """Random systems and sequences: values and gradients."""
    step, x = 0.8 * normal(rng, n, n) / n**0.5, normal(rng, b, length)
    put, read = between(rng, 0.5, 2, n), between(rng, 0.5, 2, n)
    given = [part.requires_grad_() for part in (step, put, read, x)]
    before, after = states(step, put, x)
    right = after @ read
    wrong = {
        "y_0 must already see x_0": before @ read,
        "the decay acts on its own input": after @ step.T @ read,
        "the state is not carried on": x * (put @ read),
        "nothing fades: A_bar is missing": x.cumsum(1) * (put @ read),
        "rows of states need A_bar transposed": states(step.T, put, x)[1] @ read,
        "A_bar h is a product of matrices": states(torch.diag(step.diag()), put, x)[1] @ read,
        "C is missing": after.sum(2),
        "B_bar is missing": states(step, torch.ones(n), x)[1] @ read,
        "time runs backwards": (states(step, put, x.flip(1))[1] @ read).flip(1),
        "return the outputs of all steps": right[:, -1],
        "return the outputs, not the states": after,
    }
    if b == length:
        wrong |= {
            "time is axis 1 of the outputs": right.T,
            "time is axis 1 of the inputs": (states(step, put, x.T)[1] @ read).T,
        }
    got = student.recurrence(*given)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, b, length)
    want = gradients((right,), (weight,), *given)
    expect(gradients((got,), (weight,), *given), want, atol=1e-3, rtol=1e-4)
