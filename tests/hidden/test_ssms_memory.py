"""Hidden points of 05_ssms, continued: what a state remembers (see test_ssms.py)."""

import pytest
import torch
from numpy.polynomial import legendre
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
    return torch.autograd.grad(total, of, materialize_grads=True)


@task("legs")
def test_legs(student, rng):
    """Matrices of random sizes, number by number."""
    for size in (2 + torch.randperm(38, generator=rng, device="cpu")[:4]).tolist():
        A, B = torch.zeros(size, size), torch.tensor([(2 * n + 1) ** 0.5 for n in range(size)])
        for n in range(size):
            A[n, n] = -(n + 1)
            for k in range(n):
                A[n, k] = -(((2 * n + 1) * (2 * k + 1)) ** 0.5)
        whole = -torch.outer(B, B)
        wrong = {
            "the minus is missing": (-A, B),
            "the matrix is turned over": (A.T, B),
            "the diagonal is n + 1, not 2 n + 1": (whole.tril(), B),
            "n counts from 0": (A + torch.eye(size), B),
            "the diagonal has a minus as well": (A - 2 * torch.diag(A.diag()), B),
            "above the diagonal there are zeros": (A + whole.triu(1), B),
            "take the roots": (-(torch.outer(B**2, B**2).tril(-1)) + torch.diag(A.diag()), B**2),
            "B is the root of 2 n + 1": (A, B**2),
            "A comes first, then B": (B, A),
        }
        expect(student.legs(size), (A, B), wrong)


@task("legs")
@pytest.mark.parametrize("size", [2, 4, 11])
def test_remember(student, rng, size):
    """Random states and places: values and gradients."""
    h, places = normal(rng, 3, size, size).requires_grad_(), between(rng, 0, 1, size)
    scale = (2 * torch.arange(size) + 1).sqrt()

    def polynomials(z: Tensor) -> Tensor:
        return torch.from_numpy(legendre.legvander(z.double().numpy(), size - 1).T.copy()).float()

    P, odd = polynomials(2 * places - 1), (-1.0) ** torch.arange(size)
    right = (h * scale) @ P
    wrong = {
        "the factor sqrt(2 n + 1) is missing": h @ P,
        "the factor is the root of 2 n + 1": (h * scale**2) @ P,
        "the argument is 2 s - 1": (h * scale) @ polynomials(places),
        "s = 1 is now": (h * scale * odd) @ P,
        "places last": right.mT,
    }
    got = student.remember(h, places)
    expect(got, right, wrong, atol=1e-4)
    weight = normal(rng, *right.shape)
    expect(gradients((got,), (weight,), h), gradients((right,), (weight,), h), atol=1e-4)


@task("selective_step")
@pytest.mark.parametrize(("b", "width", "n"), [(4, 4, 4), (3, 2, 5)], ids=["cube", "oblong"])
def test_selective_step(student, rng, b, width, n):
    """Random inputs, steps and states: values and gradients."""
    x, dt, A = normal(rng, b, width), between(rng, 0.2, 1.5, b, width), -between(rng, 0.3, 2, width, n)
    B, C, h = (normal(rng, *size) for size in ((b, n), (b, n), (b, width, n)))
    given = [part.requires_grad_() for part in (x, dt, A, B, C, h)]
    keep, write, read = torch.exp(dt[:, :, None] * A), (dt * x)[:, :, None], C[:, None]
    put = write * B[:, None]

    def after(state: Tensor) -> tuple[Tensor, Tensor]:
        return torch.einsum("bwn,bn->bw", state, C), state

    right = after(keep * h + put)
    exact = (keep - 1) / A * x[:, :, None] * B[:, None]
    swapped = keep * h + write * read
    wrong = {
        "dt is missing in the decay": after(A.exp() * h + put),
        "dt is missing in the input": after(keep * h + x[:, :, None] * B[:, None]),
        "dt is missing, in the decay and in the input": after(A.exp() * h + x[:, :, None] * B[:, None]),
        "dt stands twice in the input": after(keep * h + dt[:, :, None] * put),
        "A is below 0 already": after(h / keep + put),
        "the decay is exp(dt A), not 1 + dt A": after((1 + dt[:, :, None] * A) * h + put),
        "this is the exact hold": after(keep * h + exact),
        "the decay acts on the old state only": after(keep * (h + put)),
        "the old state is not faded": after(h + put),
        "the old state is lost": after(put),
        "y is read from the new state": (after(h)[0], right[1]),
        "B writes and C reads": (torch.einsum("bwn,bn->bw", swapped, B), swapped),
        "C is missing": (right[1].sum(2), right[1]),
        "B is missing": after(keep * h + write),
        "y comes first, then the state": right[::-1],
        "return both": right[0],
    }
    if b == width == n:
        wrong |= {
            "(b, N) needs an axis in the middle, for B": after(keep * h + write * B),
            "(b, N) needs an axis in the middle, for C": ((right[1] * C).sum(2), right[1]),
            "(b, W) needs an axis at the end": after(torch.exp(dt[:, None] * A) * h + put),
            "A belongs to a channel and a state": after(torch.exp(dt[:, :, None] * A[:, None]) * h + put),
            "sum over the states": ((right[1] * read).sum(1), right[1]),
        }
    got = student.selective_step(*given)
    expect(got, right, wrong)
    weights = normal(rng, b, width), normal(rng, b, width, n)
    expect(gradients(got, weights, *given), gradients(right, weights, *given), atol=1e-4)


@task("selective_step")
def test_selective_step_in_a_row(student, rng):
    """Step by step through a sequence, and the gradient back to its first input."""
    b, length, width, n = 2, 7, 3, 4
    x, dt = normal(rng, b, length, width).requires_grad_(), between(rng, 0.1, 1, b, length, width)
    A, B, C = -between(rng, 0.3, 2, width, n), normal(rng, b, length, n), normal(rng, b, length, n)
    total = (dt[..., None] * A).cumsum(1)
    h, found = torch.zeros(b, width, n), []
    for k in range(length):
        y, h = student.selective_step(x[:, k], dt[:, k], A, B[:, k], C[:, k], h)
        found.append(y)
    got, want = torch.stack(found, 1), []
    for k in range(length):
        left = torch.exp(total[:, k, None] - total[:, : k + 1])
        want.append((left * (dt * x)[:, : k + 1, :, None] * B[:, : k + 1, None] * C[:, k, None, None]).sum((1, 3)))
    want, weight = torch.stack(want, 1), normal(rng, b, length, width)
    expect(got, want, atol=1e-4)
    expect(gradients((got,), (weight,), x), gradients((want,), (weight,), x), atol=1e-4)
