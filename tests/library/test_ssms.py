"""Linear systems: what a step is exactly, the same system three ways, and what a state remembers."""

import math

import pytest
import torch

from course_lib.ssms import hippo, linear
from course_lib.ssms.discretise import bilinear, bilinear_diagonal, zoh, zoh_diagonal
from course_lib.ssms.s4d import S4D, kernel


def some_system(states: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A stable one in double precision."""
    A = torch.randn(states, states, dtype=torch.float64)
    A = A - (torch.linalg.eigvals(A).real.max() + 0.3) * torch.eye(states)
    return A, torch.randn(states, dtype=torch.float64), torch.randn(states, dtype=torch.float64)


def integrated(A: torch.Tensor, B: torch.Tensor, x: float, time: float, steps: int = 2000) -> torch.Tensor:
    """h(time) of h' = A h + B x from h = 0, by the classical Runge-Kutta method of order four."""
    h, dt = torch.zeros_like(B), time / steps
    slope = lambda h: A @ h + B * x
    for _ in range(steps):
        k1 = slope(h)
        k2 = slope(h + dt / 2 * k1)
        k3 = slope(h + dt / 2 * k2)
        h = h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(h + dt * k3))
    return h


def errors(discretise, held_between: bool) -> list[float]:
    """At time 2 of h' = -h + cos 3t, h(0) = 0, with 100, 200 and 400 steps; the solution is known."""
    exact = (math.cos(6) + 3 * math.sin(6) - math.exp(-2)) / 10
    found = []
    for steps in (100, 200, 400):
        times = torch.linspace(0, 2, steps + 1, dtype=torch.float64)
        x = (3 * times).cos()
        x = (x[1:] + x[:-1]) / 2 if held_between else x[1:]
        A_bar, B_bar = discretise(-torch.ones(1, 1).double(), torch.ones(1).double(), 2 / steps)
        y = linear.recurrence(A_bar, B_bar, torch.ones(1).double(), x[None, :, None])
        found.append(abs(float(y[0, -1, 0]) - exact))
    return found


def test_zero_order_hold_is_exact_for_an_input_that_is_held():
    """However large the step: against 2,000 steps of Runge-Kutta in each."""
    A, B, _ = some_system()
    A_bar, B_bar = zoh(A, B, 1.5)
    held = integrated(A, B, 2.0, 1.5)
    assert torch.allclose(B_bar * 2, held, atol=1e-9)
    assert torch.allclose(A_bar @ held - held + B_bar * 2, integrated(A, B, 2.0, 3.0, 4000) - held, atol=1e-9)


def test_zero_order_hold_needs_no_inverse():
    """A double integrator: A is nilpotent, and h(dt) = (dt^2 / 2, dt)."""
    A, B = torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.tensor([[0.0], [1.0]])
    A_bar, B_bar = zoh(A, B, 0.5)
    assert torch.allclose(A_bar, torch.tensor([[1.0, 0.5], [0.0, 1.0]]), atol=1e-7)
    assert torch.allclose(B_bar, torch.tensor([[0.125], [0.5]]), atol=1e-7)


def test_sampling_and_holding_has_order_one_and_the_trapezium_order_two():
    """Twice the steps: half, or a quarter, of the error."""
    one, two = errors(zoh, held_between=False), errors(bilinear, held_between=True)
    assert one[0] / one[1] == pytest.approx(2, abs=0.1)
    assert one[1] / one[2] == pytest.approx(2, abs=0.1)
    assert two[0] / two[1] == pytest.approx(4, abs=0.1)
    assert two[1] / two[2] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("discretise", [zoh, bilinear])
def test_a_stable_system_stays_stable_at_any_step(discretise):
    A, B, _ = some_system()
    for dt in (0.01, 1.0, 100.0):
        assert torch.linalg.eigvals(discretise(A, B, dt)[0]).abs().max() < 1


@pytest.mark.parametrize(("diagonal", "full"), [(zoh_diagonal, zoh), (bilinear_diagonal, bilinear)])
def test_a_diagonal_system_is_the_matrix_with_that_diagonal(diagonal, full):
    a = torch.complex(-torch.rand(5), torch.randn(5)).to(torch.complex128)
    b = torch.randn(5, dtype=torch.complex128)
    for ours, theirs in zip(diagonal(a, b, 0.7), full(a.diag(), b, 0.7)):
        ours = ours.diag() if theirs.ndim == 2 else ours
        assert torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("z", [0.0, 1e-30, 1e-8, 1e-4, 0.009, 0.011, 1.0, 50.0])
@pytest.mark.parametrize("turn", [-1, 1j])
def test_zero_order_hold_is_right_at_no_decay_at_all_and_so_is_its_gradient(z, turn):
    """(exp(z) - 1) / z by its series, and its derivative; in single precision to 2e-6."""
    a = torch.tensor(z * turn, dtype=torch.complex64, requires_grad=True)
    b_bar = zoh_diagonal(a, torch.ones(()), 1.0)[1]
    (slope,) = torch.autograd.grad(b_bar.real, a)
    terms = [(z * turn) ** k / math.factorial(k + 1) for k in range(170)] if z < 10 else None
    value = sum(terms) if terms else (complex(math.cos(z), math.sin(z)) - 1 if turn == 1j else -1) / (z * turn)
    known = sum((k - 1) * (z * turn) ** (k - 2) / math.factorial(k) for k in range(2, 150)) if z < 10 else None
    assert abs(complex(b_bar.detach()) - value) < 2e-6
    assert torch.isfinite(torch.view_as_real(slope)).all()
    if known is not None:
        assert abs(complex(slope).conjugate() - known) < 2e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("length", [1, 2, 63, 200])
def test_recurrence_is_convolution_is_scan(dtype, tolerance, length):
    A, B, C = some_system()
    A_bar, B_bar = zoh(A, B, 0.1)
    A_bar, B_bar, C, x = A_bar.to(dtype), B_bar.to(dtype), C.to(dtype), torch.randn(2, length, 3, dtype=dtype)
    stepped = linear.recurrence(A_bar, B_bar, C, x)
    assert torch.allclose(linear.convolution(x, linear.kernel(A_bar, B_bar, C, length)), stepped, atol=tolerance)
    assert torch.allclose(linear.scan(A_bar, B_bar, C, x), stepped, atol=tolerance)


def test_the_first_output_sees_the_first_input():
    A_bar, B_bar, C = some_system()
    y = linear.recurrence(A_bar, B_bar, C, torch.tensor([[[2.0]]], dtype=torch.float64))
    assert torch.allclose(y.squeeze(), 2 * C @ B_bar, atol=1e-12)


def test_convolution_does_not_reach_round_to_the_beginning():
    """A delay of three places: what falls off the end is gone."""
    delay = torch.zeros(5)
    delay[3] = 1
    x = torch.arange(1.0, 6.0)[None, :, None]
    assert torch.allclose(linear.convolution(x, delay).flatten(), torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0]), atol=1e-6)


def test_each_channel_may_have_its_kernel():
    x, kernels = torch.randn(2, 9, 3), torch.randn(9, 3)
    alone = [linear.convolution(x[..., i : i + 1], kernels[:, i]) for i in range(3)]
    assert torch.allclose(linear.convolution(x, kernels), torch.cat(alone, -1), atol=1e-6)


def test_legs_keeps_a_polynomial_exactly():
    """c_n = mean over the past of x times Legendre n; it obeys t c' = A c + B x, and gives x back."""
    states, powers = 5, torch.tensor([0.3, -1.0, 0.5, 2.0, -0.7], dtype=torch.float64)
    A, B = hippo.legs(states)
    places = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    basis = hippo.legendre(places, states)
    x = lambda t: (t[..., None] ** torch.arange(5) * powers).sum(-1)
    c = lambda t: x(t * places) @ basis / len(places)  # midpoint rule: 1e-9
    t = torch.tensor(1.3, dtype=torch.float64)
    slope = (c(t + 1e-4) - c(t - 1e-4)) / 2e-4
    assert torch.allclose(t * slope, A @ c(t) + B * x(t), atol=1e-6)
    assert torch.allclose(hippo.reconstruct(c(t), places[::500]), x(t * places[::500]), atol=1e-6)


def test_legendre_polynomials_are_orthonormal():
    places = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    basis = hippo.legendre(places, 8)
    assert torch.allclose(basis.T @ basis / len(places), torch.eye(8, dtype=torch.float64), atol=1e-6)


def test_memory_is_the_projection_of_the_held_samples():
    """Each sample fills a step; the integrals of Legendre polynomials over the steps by 400 midpoints each."""
    x, states = torch.randn(2, 30, dtype=torch.float64), 8
    c = hippo.memory(x, states)
    for k in (1, 2, 7, 30):
        places = (torch.arange(400 * k, dtype=torch.float64) + 0.5) / (400 * k)
        known = x[:, :k].repeat_interleave(400, 1) @ hippo.legendre(places, states) / len(places)
        assert torch.allclose(c[:, k - 1], known, atol=1e-3)


def test_a_larger_state_remembers_more():
    places = torch.linspace(0, 1, 300, dtype=torch.float64)
    x = (12 * places).sin() + (25 * places).cos()
    missed = [float((hippo.reconstruct(hippo.memory(x, n)[-1], places) - x).square().mean()) for n in (4, 16, 32)]
    assert missed[0] > 0.3
    assert missed[1] < 0.05
    assert missed[2] < 0.005


def test_the_diagonal_spectra_are_those_of_the_paper():
    """S4D, section 4.4: N = 4."""
    assert torch.allclose(hippo.lin(4), torch.tensor([-0.5, -0.5 + math.pi * 1j]), atol=1e-6)
    assert torch.allclose(hippo.inv(4), -0.5 + 4 / math.pi * torch.tensor([3j, 1j / 3]), atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 10, 64, 101])
def test_s4d_s_table_is_the_kernel(length):
    """Re sum c a^k, once more as a sum over every k and n, in double precision."""
    log_a = torch.complex(-torch.rand(3, 4), torch.randn(3, 4)).to(torch.complex128)
    c = torch.randn(3, 4, dtype=torch.complex128)
    known = 2 * torch.einsum("wn,wnl->lw", c, torch.exp(log_a[..., None] * torch.arange(length))).real
    assert torch.allclose(kernel(log_a, c, length), known, atol=1e-12)


def test_s4d_s_convolution_is_its_recurrence():
    layer, x = S4D(6, 16), torch.randn(2, 70, 6)
    state, stepped = layer.begin(2), []
    for x_k in x.unbind(1):
        y, state = layer.step(x_k, state)
        stepped.append(y)
    assert torch.allclose(layer(x), torch.stack(stepped, 1), atol=1e-5)
    assert torch.allclose(layer(x)[:, :33], layer(x[:, :33]), atol=1e-5)  # causal


def test_s4d_learns_in_every_parameter_and_runs_in_half_precision():
    layer, x = S4D(4, 8), torch.randn(2, 20, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert torch.allclose(y.float(), layer(x), atol=0.05)
    layer(x).square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


def test_the_doors_say_what_is_wrong():
    A, B, C = some_system()
    for discretise in (zoh, bilinear):
        with pytest.raises(ValueError, match="A \\(N, N\\)"):
            discretise(A, B[:3], 0.1)
        with pytest.raises(ValueError, match="above 0"):
            discretise(A, B, 0.0)
    with pytest.raises(ValueError, match="one input, one output"):
        linear.recurrence(A, B[:3], C, torch.zeros(1, 2, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="kernel"):
        linear.convolution(torch.zeros(1, 4, 2), torch.zeros(3))
    with pytest.raises(ValueError, match="at least one state"):
        hippo.legs(0)
    with pytest.raises(ValueError, match="at least one sample"):
        hippo.memory(torch.zeros(0), 4)
    with pytest.raises(ValueError, match="even"):
        S4D(4, 5)
    with pytest.raises(ValueError, match="at least one place"):
        kernel(torch.zeros(1, 1, dtype=torch.complex64), torch.zeros(1, 1, dtype=torch.complex64), 0)
