"""Public points of 05_ssms, continued: what a state remembers (see test_ssms.py)."""

from math import log

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

ROOTS = torch.tensor([1.0, 3, 5]).sqrt()
HIPPO = torch.tensor([[-1.0, 0, 0], [-(3**0.5), -2, 0], [-(5**0.5), -(15**0.5), -3]])


@task("legs")
def test_legs_values(student):
    """Three states: 1, 2, 3 on the diagonal and products of roots below it, all with a minus."""
    below = torch.outer(ROOTS, ROOTS).tril(-1)
    n = torch.arange(3.0)
    odd = 2 * n + 1
    wrong = {
        "the minus is missing: the state must fade": (-HIPPO, ROOTS),
        "the matrix is turned over: row n, column k, and the roots stand where n > k": (HIPPO.T, ROOTS),
        "the diagonal is n + 1, not 2 n + 1": (-torch.outer(ROOTS, ROOTS).tril(), ROOTS),
        "n counts from 0, so the diagonal is 1, 2, 3": (-(below + torch.diag(n)), ROOTS),
        "the diagonal has a minus as well": (-below + torch.diag(n + 1), ROOTS),
        "the diagonal is missing": (-below, ROOTS),
        "above the diagonal there are zeros": (
            -(torch.outer(ROOTS, ROOTS) - torch.diag(odd) + torch.diag(n + 1)),
            ROOTS,
        ),
        "take the roots: of (2 n + 1)(2 k + 1), and of 2 n + 1": (
            -(torch.outer(odd, odd).tril(-1) + torch.diag(n + 1)),
            odd,
        ),
        "B is the root of 2 n + 1": (HIPPO, odd),
        "B is the root of 2 n + 1, not 1": (HIPPO, torch.ones(3)),
        "the minus belongs to A only": (HIPPO, -ROOTS),
        "A comes first, then B": (ROOTS, HIPPO),
        "return both, A and B": HIPPO,
    }
    expect(student.legs(3), (HIPPO, ROOTS), wrong)


@task("legs")
def test_legs_remembers_a_constant(student):
    """A constant signal is described by its height alone, and nothing changes any more: A e_0 + B = 0."""
    A, B = student.legs(9)
    require(isinstance(A, Tensor) and A.shape == (9, 9) and isinstance(B, Tensor), "return A (N, N) and B (N,)")
    expect(A[:, 0] + B, torch.zeros(9))


PLACES = torch.tensor([0.0, 0.25, 0.5, 1])
POLYNOMIALS = torch.tensor([[1.0, 1, 1, 1], [-1, -0.5, 0, 1], [1, -0.125, -0.5, 1], [-1, 0.4375, 0, 1]])


@task("legs")
def test_remember_values(student):
    """Four states, the first Legendre polynomials at the beginning, after a quarter, half way and now."""
    h = torch.tensor([[1.0, 0, 2, 0], [0, 3, 0, 0], [0, 0, 1, -1]])
    scale = torch.tensor([1.0, 3, 5, 7]).sqrt()
    z = 2 * PLACES - 1
    chebyshev = torch.stack([torch.ones(4), z, 2 * z * z - 1, 4 * z**3 - 3 * z])
    unmoved = torch.stack([torch.ones(4), PLACES, (3 * PLACES**2 - 1) / 2, (5 * PLACES**3 - 3 * PLACES) / 2])
    monomials = torch.stack([z**n for n in range(4)])
    wrong = {
        "the factor sqrt(2 n + 1) is missing": h @ POLYNOMIALS,
        "the factor is the root of 2 n + 1": (h * scale**2) @ POLYNOMIALS,
        "multiply by the root of 2 n + 1": (h / scale) @ POLYNOMIALS,
        "polynomials live on [-1, 1]: their argument is 2 s - 1": (h * scale) @ unmoved,
        "s = 1 is now: this runs backwards in time": (h * scale)
        @ (POLYNOMIALS * torch.tensor([[1.0], [-1], [1], [-1]])),
        "these are powers of z, not Legendre polynomials": (h * scale) @ monomials,
        "these are other polynomials: (n + 1) P_(n+1) = (2 n + 1) z P_n - n P_(n-1)": (h * scale) @ chebyshev,
        "states stand in front, places last": ((h * scale) @ POLYNOMIALS).T,
    }
    expect(student.remember(h, PLACES), (h * scale) @ POLYNOMIALS, wrong)


@task("legs")
def test_remember_with_few_states(student):
    """Two states describe a line, and any axes may stand before the last."""
    h = torch.tensor([[[1.0, 0], [0, 1]], [[2, 0], [1, -1]]])
    slope = 3**0.5 * (2 * PLACES - 1)
    want = torch.stack([torch.ones(4), slope, 2 * torch.ones(4), 1 - slope]).view(2, 2, 4)
    expect(student.remember(h, PLACES), want)


# Two sequences, two channels, two states: all of one size, so that a wrong axis raises no error.
STATE = torch.tensor([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]])
U = torch.tensor([[1.0, -2], [3, 4]])
DT = torch.tensor([[1.0, 2], [0, 1]])
A = -log(2) * torch.tensor([[1.0, 2], [3, 1]])
B, C = torch.tensor([[1.0, -1], [2, 3]]), torch.tensor([[1.0, 10], [2, -1]])


@task("selective_step")
def test_selective_step_values(student):
    """Two sequences; the first channel of the second has a step of 0, so nothing happens to it."""
    keep = torch.tensor([[[1 / 2, 1 / 4], [1 / 64, 1 / 4]], [[1, 1], [1 / 8, 1 / 2]]])
    put = (DT * U)[..., None] * B[:, None]
    h = torch.tensor([[[1.5, -0.5], [-3.953125, 5]], [[5, 6], [8.875, 16]]])

    def after(h: Tensor) -> tuple[Tensor, Tensor]:
        return (h * C[:, None]).sum(2), h

    y, _ = after(h)
    exact = torch.expm1(DT[..., None] * A) / A * U[..., None] * B[:, None]
    wrong = {
        "dt is missing in the decay: exp(dt A)": after(A.exp() * STATE + put),
        "dt is missing in the input: with dt = 0 nothing is written": after(keep * STATE + U[..., None] * B[:, None]),
        "dt is missing, in the decay and in the input": after(A.exp() * STATE + U[..., None] * B[:, None]),
        "dt stands twice in the input": after(keep * STATE + DT[..., None] * put),
        "A is below 0 already: exp(-dt A) grows without end": after(STATE / keep + put),
        "the decay is exp(dt A), not 1 + dt A": after((1 + DT[..., None] * A) * STATE + put),
        "this is the exact hold: Mamba takes the plain dt B for the input": after(keep * STATE + exact),
        "the decay acts on the old state only, not on its own input": after(keep * (STATE + put)),
        "the old state is not faded": after(STATE + put),
        "the old state is lost": after(put),
        "y is read from the new state, not from the old one": (after(STATE)[0], h),
        "B writes and C reads: they have changed places": (
            lambda h: ((h * B[:, None]).sum(2), h)  # both
        )(keep * STATE + (DT * U)[..., None] * C[:, None]),
        "C is missing: y is not the plain sum of the states": (h.sum(2), h),
        "B is missing": after(keep * STATE + (DT * U)[..., None]),
        "B belongs to a sequence and a state: (b, N) needs an axis in the middle": after(
            keep * STATE + (DT * U)[..., None] * B
        ),
        "C belongs to a sequence and a state: (b, N) needs an axis in the middle": ((h * C).sum(2), h),
        "dt belongs to a sequence and a channel: (b, W) needs an axis at the end": after(
            torch.exp(DT[:, None] * A) * STATE + put
        ),
        "A belongs to a channel and a state: (W, N), no axis in the middle": after(
            torch.exp(DT[..., None] * A[:, None]) * STATE + put
        ),
        "sum over the states, the last axis, not over the channels": ((h * C[:, None]).sum(1), h),
        "y comes first, then the state": (h, y),
        "return both, y and the new state": y,
    }
    expect(student.selective_step(U, DT, A, B, C, STATE), (y, h), wrong)


@task("selective_step")
def test_selective_step_chooses(student):
    """A step of 0 keeps everything; a very large one forgets the past."""
    x, B, C = torch.ones(1, 1), torch.ones(1, 3), torch.ones(1, 3)
    A, h = torch.tensor([[-0.5, -1, -2]]), torch.tensor([[[1.0, 2, 3]]])
    kept = student.selective_step(x, 0 * x, A, B, C, h)
    expect(kept, (torch.tensor([[6.0]]), h), {"with dt = 0 nothing may change": (torch.tensor([[9.0]]), h + 1)})
    lost = student.selective_step(x, 200 * x, A, B, C, h)
    expect(lost, (torch.tensor([[600.0]]), torch.full((1, 1, 3), 200.0)))
