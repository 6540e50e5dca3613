"""Gradients through random numbers, against their exact means and variances.

For f(z) = z^2 and z ~ N(m, s^2), the gradient of E f = m^2 + s^2 by the mean is 2 m and by the log-variance s^2.
How much one draw varies follows from the even moments of a standard normal: 1, 3, 15, 105. By the mean it is

    reparameterised     4 s^2
    score function      m^4 / s^2 + 14 m^2 + 15 s^2
    leave-one-out       8 m^2 + 10 s^2 + (4 m^2 + 2 s^2) / (n - 1)
"""

import math

import pytest
import torch
from torch.distributions import Normal

from course_lib.vaes.estimators import leave_one_out, no_baseline, reparameterised, score_function

M, S = 1.5, 0.8
GROUP = 5  # draws that are each other's baseline


def square(z: torch.Tensor) -> torch.Tensor:
    return z.square().sum(-1)


def step(z: torch.Tensor) -> torch.Tensor:
    return (z > 0).double().sum(-1)


def at(mean: float, std: float, dims: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    where = torch.full((dims,), mean, dtype=torch.float64)
    return where, torch.full_like(where, 2 * math.log(std))


def draws(n: int, dims: int = 1) -> torch.Tensor:
    return torch.randn(n, dims, dtype=torch.float64)


def grouped(values: torch.Tensor) -> torch.Tensor:
    """Leave-one-out among GROUP draws at a time."""
    return torch.vmap(leave_one_out)(values.view(-1, GROUP)).flatten()


KNOWN = {  # variance by the mean, variance by the log-variance
    "reparameterised": (4 * S**2, M**2 * S**2 + 2 * S**4),
    "score function": (M**4 / S**2 + 14 * M**2 + 15 * S**2, (M**4 + 30 * M**2 * S**2 + 37 * S**4) / 2),
    "leave-one-out": (
        8 * M**2 + 10 * S**2 + (4 * M**2 + 2 * S**2) / (GROUP - 1),
        10 * M**2 * S**2 + 14 * S**4 + (2 * M**2 * S**2 + S**4) / (GROUP - 1),
    ),
}


def estimate(name: str, n: int):
    if name == "reparameterised":
        return reparameterised(square, *at(M, S), draws(n))
    return score_function(square, *at(M, S), draws(n), no_baseline if name == "score function" else grouped)


@pytest.mark.parametrize("name", KNOWN)
def test_all_estimators_are_unbiased_on_a_square(name):
    n = 500_000
    gradients, variances = estimate(name, n), KNOWN[name]
    for found, exact, variance in zip(gradients, (2 * M, S**2), variances):
        assert float(found.mean()) == pytest.approx(exact, abs=5 * math.sqrt(variance / n))


@pytest.mark.parametrize("name", KNOWN)
def test_variances_on_a_square_are_those_in_closed_form(name):
    gradients = estimate(name, 500_000)
    for found, exact in zip(gradients, KNOWN[name]):
        assert float(found.var()) == pytest.approx(exact, rel=0.03)


def test_the_score_functions_variance_grows_with_the_dimension_the_other_does_not():
    """For f = |z|^2 and standard normal z: (D + 2) (D + 4) against 4, by the first mean."""
    for dims in (1, 4, 16):
        noise = draws(200_000, dims)
        blind = score_function(square, *at(0, 1, dims), noise).mean[:, 0].var()
        seeing = reparameterised(square, *at(0, 1, dims), noise).mean[:, 0].var()
        assert float(blind) == pytest.approx((dims + 2) * (dims + 4), rel=0.06)
        assert float(seeing) == pytest.approx(4, rel=0.03)


def test_of_a_step_only_the_score_function_sees_the_edge():
    """E f = Phi(m / s), whose gradient by the mean is the density at the edge."""
    exact = float(Normal(M, S).log_prob(torch.tensor(0.0)).exp())
    assert (reparameterised(step, *at(M, S), draws(1000)).mean == 0).all()
    for baseline in (no_baseline, grouped):
        found = score_function(step, *at(M, S), draws(500_000), baseline).mean.mean()
        assert float(found) == pytest.approx(exact, abs=1e-2)  # five standard errors


def test_a_constant_has_no_gradient_and_with_a_baseline_no_variance():
    def constant(z: torch.Tensor) -> torch.Tensor:
        return torch.full((len(z),), 7.0, dtype=torch.float64)

    noise = draws(1000)
    assert (reparameterised(constant, *at(M, S), noise).mean == 0).all()
    assert (score_function(constant, *at(M, S), noise, leave_one_out).mean.abs() < 1e-9).all()
    assert float(score_function(constant, *at(M, S), noise).mean.std()) > 5


def test_estimators_work_where_gradients_are_off():
    with torch.no_grad():
        gradients = reparameterised(square, *at(M, S), torch.ones(2, 1, dtype=torch.float64))
    assert torch.allclose(gradients.mean, torch.full((2, 1), 2 * (M + S), dtype=torch.float64), atol=1e-12)
    assert not gradients.mean.requires_grad


def test_estimators_refuse_what_does_not_fit():
    for estimator in (reparameterised, score_function):
        with pytest.raises(ValueError, match="one row a draw"):
            estimator(square, *at(M, S), draws(3)[0])
        with pytest.raises(ValueError, match="one value a draw"):
            estimator(torch.square, *at(M, S), draws(3))
    with pytest.raises(ValueError, match="at least one other"):
        leave_one_out(torch.ones(1))
