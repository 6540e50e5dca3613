"""What `check("task")` runs for the exercises of 05_ssms, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors and functions, so that the same file serves a student in another process.
"""

from math import log, nan, pi

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def near(got: object, want: Tensor, share: float) -> bool:
    """Is it a tensor like this, each number off by less than such a share of itself?"""
    if not isinstance(got, Tensor) or got.shape != want.shape:
        return False
    return bool(((got - want).abs() <= share * want.abs()).all())


@task("zoh")
def test_zoh_values(student):
    """After a time of 2 a quarter and a sixteenth are left; what was added is the integral over that time."""
    a, b, dt = torch.tensor([-log(2), -2 * log(2)]), torch.tensor([3.0, -2]), torch.tensor(2.0)
    keep = torch.tensor([1 / 4, 1 / 16])
    area = torch.tensor([3 / 4, 15 / 32]) / log(2)
    wrong = {
        "this is Euler's step, 1 + dt a: the equation can be solved exactly": (1 + dt * a, dt * b),
        "dt is missing in the exponent": (a.exp(), (a.exp() - 1) / a * b),
        "dt is missing in the exponent of a_bar": (a.exp(), area * b),
        "the sign in the exponent is turned: a is not above 0 already, and the state must fade": (
            1 / keep,
            (1 / keep - 1) / a * b,
        ),
        "the sign in the exponent is turned: a is not above 0 already, so nothing needs a minus": (
            1 / keep,
            (1 - 1 / keep) / a * b,
        ),
        "the sign in the exponent of a_bar is turned: the state must fade": (1 / keep, area * b),
        "dt b is what Euler's step adds: the input fades too while it is held": (keep, dt * b),
        "dt stands twice in b_bar: the exponential has it already": (keep, dt * area * b),
        "divide by a, not by dt a: the integral grows with the time": (keep, area / dt * b),
        "the input does not fade for the whole step: this is exp(dt a) dt b": (keep, keep * dt * b),
        "the sign of b_bar is turned: (exp(dt a) - 1) / a is above 0": (keep, -area * b),
        "b_bar lacks the division by a": (keep, (keep - 1) * b),
        "b_bar lacks the - 1": (keep, keep / a * b),
        "b is missing in b_bar": (keep, area),
        "a_bar comes first, then b_bar": (area * b, keep),
        "return both, a_bar and b_bar": keep,
    }
    expect(student.zoh(a, b, dt), (keep, area * b), wrong)


@task("zoh")
def test_zoh_of_a_sum(student):
    """With a = 0 the state sums up the input, b_bar is dt b, and gradients are finite there too."""
    a, b = torch.tensor([0.0, -1], requires_grad=True), torch.tensor([3.0, 4])
    area = torch.tensor([0.5, 1 - 0.6065307])
    want = torch.tensor([1, 0.6065307]), area * b
    wrong = {
        "0 divided by 0 is NaN: where a is 0, b_bar is dt b": (want[0], torch.tensor([nan, 4 * area[1]])),
        "where a is 0 the input is not lost: b_bar is dt b": (want[0], torch.tensor([0.0, 4 * area[1]])),
        "where a is 0, b_bar is dt b, not b": (want[0], torch.tensor([3.0, 4 * area[1]])),
    }
    got = student.zoh(a, b, torch.tensor(0.5))
    expect(got, want, wrong)
    require(got[1].requires_grad, "no gradient passes through your function: detach nothing")
    (slope,) = torch.autograd.grad(got[0].sum() + got[1].sum(), a)
    hint = (
        "the gradient is NaN where a is 0: `where` computes both sides. Put a harmless number in the place of a = 0 "
        "before you divide"
    )
    require(bool(slope.isfinite().all()), hint)


@task("zoh")
def test_zoh_near_a_sum(student):
    """Where a is small, no digits are lost."""
    a = -torch.tensor([1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
    got = student.zoh(a, torch.ones(5), torch.tensor(0.1))
    want = (torch.expm1(0.1 * a.double()) / a.double()).float()
    lost = isinstance(got, tuple) and near(got[1], want, 1.0) and not near(got[1], want, 1e-4)
    require(not lost, "exp(z) - 1 has few digits left where z is near 0: torch.expm1 has all of them")
    expect(got, (torch.exp(0.1 * a), want), rtol=1e-4)


@task("zoh")
def test_zoh_of_waves(student):
    """a = i turns the state; a quarter of a turn is i."""
    got = student.zoh(torch.tensor([1j, -2j]), torch.tensor([1 + 0j, 3j]), torch.tensor(pi / 2))
    keep, area = torch.tensor([1j, -1 + 0j]), torch.tensor([1 + 1j, -1j])
    wrong = {"complex numbers have an imaginary part too: keep it": (keep.real, (area * torch.tensor([1, 3j])).real)}
    expect(got, (keep, area * torch.tensor([1 + 0j, 3j])), wrong)


A, B, DT = torch.tensor([[-2.0, 0], [4, -6]]), torch.tensor([3.0, 5]), 0.5


@task("bilinear")
def test_bilinear_values(student):
    """Two numbers, the first of which flows into the second."""
    one = torch.eye(2)
    right = torch.tensor([[1 / 3, 0], [8 / 15, -1 / 5]]), torch.tensor([1.0, 1.4])
    half = torch.linalg.inv(one - DT / 2 * A)
    implicit = torch.linalg.inv(one - DT * A)
    turned = torch.linalg.inv(one + DT / 2 * A)
    wrong = {
        "this is Euler's step, 1 + dt A: take the mean of the rates before and after": (one + DT * A, DT * B),
        "this takes the rate after the step only: take the mean of before and after": (implicit, implicit @ (DT * B)),
        "half of dt A stands on either side, not all of it": (implicit @ (one + DT * A), implicit @ (DT * B)),
        "the sides are exchanged: 1 - dt A / 2 stands on the left and is divided by": (
            turned @ (one - DT / 2 * A),
            turned @ (DT * B),
        ),
        "the input goes through the left side too: solve for B_bar as well": (right[0], DT * B),
        "the input is not halved: x is held over the step": (right[0], right[1] / 2),
        "dt is missing in B_bar": (right[0], right[1] / DT),
        "B_bar has one factor, the inverse of the left side": (right[0], right[0] @ (DT * B)),
        "these are matrices: solve, do not divide number by number": (
            (one + DT / 2 * A) / (one - DT / 2 * A),
            right[1],
        ),
        "the matrix is turned over: left^-1 right, nothing is transposed": (right[0].T, right[1]),
        "this is the inverse of the left side only: the right side is missing": (half, right[1]),
        "this is the exact step: the bilinear one needs no exponential": (torch.linalg.matrix_exp(DT * A), right[1]),
        "A_bar comes first, then B_bar": right[::-1],
        "return both, A_bar and B_bar": right[0],
    }
    expect(student.bilinear(A, B, DT), right, wrong)


@task("bilinear")
def test_bilinear_keeps_a_swing(student):
    """What neither fades nor grows keeps its length at any step, even at a very large one."""
    swing = torch.tensor([[0.0, -2], [2, 0]])
    for dt in (0.1, 1.0, 30.0):
        step, _ = student.bilinear(swing, torch.ones(2), dt)
        require(isinstance(step, Tensor) and step.shape == (2, 2), "A_bar must be a tensor (N, N), here (2, 2)")
        expect(step.T @ step, torch.eye(2), {"a large step makes the state grow": torch.eye(2) * (1 + 4 * dt * dt)})


# Half of the first number of the state stays where it is, and all of it goes on to the second.
STEP, PUT, READ = torch.tensor([[0.5, 0], [1, 0]]), torch.tensor([2.0, 1]), torch.tensor([1.0, 10])
X = torch.tensor([[1.0, 0, 0, 2], [0, 1, 0, 0], [3, 0, 0, 0]])


def looped(x: Tensor, step: Tensor = STEP, put: Tensor = PUT) -> tuple[Tensor, Tensor]:
    """States before and after each input, (b, L, N)."""
    h, states = torch.zeros(len(x), 2), [torch.zeros(len(x), 2)]
    for x_k in x.T:
        h = h @ step.T + x_k[:, None] * put
        states.append(h)
    return torch.stack(states[:-1], 1), torch.stack(states[1:], 1)


@task("recurrence")
def test_recurrence_values(student):
    """A 1 comes out as 12, 21, 10.5, 5.25, …, at once and not a step later."""
    want = torch.tensor([[12.0, 21, 10.5, 29.25], [0, 12, 21, 10.5], [36, 63, 31.5, 15.75]])
    before, after = looped(X)
    flipped = looped(X.flip(1))[1].flip(1) @ READ
    own, h = [], torch.zeros(3, 2)
    for x_k in X.T:
        h = (h + x_k[:, None] * PUT) @ STEP.T
        own.append(h @ READ)
    blended, g = [], torch.zeros(2)
    for row in X:
        for x_k in row:
            g = STEP @ g + x_k * PUT
            blended.append(g @ READ)
    wrong = {
        "y_0 must already see x_0: read from the new state, not from the old one": before @ READ,
        "the decay acts on its own input: A_bar multiplies the old state only": torch.stack(own, 1),
        "the state is not carried on: A_bar h of the step before is missing": X * (PUT @ READ),
        "nothing fades: A_bar is missing": X.cumsum(1) * (PUT @ READ),
        "rows of states need A_bar transposed: h @ A_bar.T": looped(X, STEP.T)[1] @ READ,
        "A_bar h is a product of matrices, not of numbers": looped(X, torch.diag(STEP.diag()))[1] @ READ,
        "C is missing: all numbers of the state are summed": after.sum(2),
        "B_bar is missing": looped(X, put=torch.ones(2))[1] @ READ,
        "time runs backwards": flipped,
        "each sequence begins with a state of its own, 0": torch.stack(blended).view(3, 4),
        "time is axis 1 of the outputs: torch.stack(…, dim=1)": want.T,
        "return the outputs of all steps, not only of the last": want[:, -1],
        "return the outputs, not the states": after,
    }
    expect(student.recurrence(STEP, PUT, READ, X), want, wrong)


@task("recurrence")
def test_recurrence_of_one_step(student):
    """A sequence may have one place; and what sums up can go on for ever."""
    expect(student.recurrence(STEP, PUT, READ, X[:, :1]), torch.tensor([[12.0], [0], [36]]))
    one, x = torch.ones(1), torch.arange(300.0).sin().view(2, 150)
    expect(student.recurrence(torch.ones(1, 1), one, 2 * one, x), 2 * x.cumsum(1), atol=1e-3)
