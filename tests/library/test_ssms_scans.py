"""Scans: the recurrences against the loop that defines them, their gradients, and the forms that fail."""

import pytest
import torch
from torch.autograd import grad, gradcheck
from torch.nn.functional import softplus

from course_lib.ssms import duality, scan
from course_lib.ssms import selective as selective_module
from course_lib.ssms.selective import selective_loop, selective_scan, selective_step


def steps(length: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, length, 3, dtype=dtype), torch.randn(2, length, 3, dtype=dtype)


def selective(b: int, length: int, width: int, n: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """u, dt, A, B, C and a state."""
    u, dt = torch.randn(b, length, width, dtype=dtype), softplus(torch.randn(b, length, width, dtype=dtype) - 1)
    A, B, C = -3 * torch.rand(width, n, dtype=dtype), *torch.randn(2, b, length, n, dtype=dtype)
    return [t.requires_grad_() for t in (u, dt, A, B, C, torch.randn(b, width, n, dtype=dtype))]


def attending(length: int, decay: float = 1.0, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """x, log_decay, B and C of two heads."""
    x, log_decay = torch.randn(2, length, 2, 3, dtype=dtype), -decay * torch.rand(2, length, 2, dtype=dtype)
    return [t.requires_grad_() for t in (x, log_decay, *torch.randn(2, 2, length, 4, dtype=dtype))]


def agree(ours, theirs, inputs, atol: float) -> None:
    """Outputs and all gradients, by the same random weights."""
    assert all(torch.allclose(a, b, atol=atol) for a, b in zip(ours, theirs))
    by = [torch.randn_like(out) for out in ours]
    for a, b in zip(*(grad(outs, inputs, by, retain_graph=True) for outs in (ours, theirs))):
        assert torch.allclose(a, b, atol=atol)


def test_combine_is_associative_and_does_one_step_after_the_other():
    one, two, three = (tuple(torch.randn(2, 5, dtype=torch.float64)) for _ in range(3))
    left, right = scan.combine(scan.combine(one, two), three), scan.combine(one, scan.combine(two, three))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(left, right))
    h = torch.randn(5, dtype=torch.float64)
    a, b = scan.combine(one, two)
    assert torch.allclose(a * h + b, two[0] * (one[0] * h + one[1]) + two[1], atol=1e-12)


def test_combine_does_not_commute():
    one, two = (torch.tensor(2.0), torch.tensor(1.0)), (torch.tensor(3.0), torch.tensor(5.0))
    assert scan.combine(one, two) != scan.combine(two, one)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
def test_doubling_is_the_loop_gradients_included(length):
    (a, b), state = steps(length), torch.randn(2, 3, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (a, b, state)]
    agree([scan.doubling(*inputs)], [scan.loop(*inputs)], inputs, 1e-12)
    assert torch.allclose(scan.doubling(a, b), scan.loop(a, b), atol=1e-12)


def test_complex_states_scan_too():
    a, b = (torch.randn(1, 9, 2, dtype=torch.complex128) / 2 for _ in range(2))
    assert torch.allclose(scan.doubling(a, b), scan.loop(a, b), atol=1e-12)


def test_ratios_are_right_for_a_dozen_steps_and_no_number_after_a_few_hundred():
    a, b = (t.float() for t in steps(300))
    assert torch.allclose(scan.by_ratios(a[:, :12], b[:, :12]), scan.loop(a, b)[:, :12], atol=1e-3)
    assert scan.by_ratios(a, b)[:, -1].isnan().all()
    assert scan.doubling(a, b).isfinite().all()


def test_logarithms_are_finite_but_lose_digits():
    """With decays of about e^-10 a step the error is thousands of times that of the scan."""
    a, b = torch.exp(-20 * torch.rand(1, 4000, 8)), torch.randn(1, 4000, 8)
    known = scan.loop(a.double(), b.double())
    error = lambda h: (h - known).abs().max().item()
    assert torch.allclose(scan.by_logs(a[:, :10], b[:, :10]), known[:, :10].float(), atol=1e-3)
    assert error(scan.doubling(a, b)) < 1e-6
    assert error(scan.by_logs(a, b)) > 1e-3


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 17])
def test_the_selective_scan_is_the_loop_gradients_included(length):
    inputs = selective(2, length, 3, 4)
    agree(selective_scan(*inputs), selective_loop(*inputs), inputs, 1e-11)


def test_the_selective_scan_s_gradients_are_differences():
    assert gradcheck(selective_scan, selective(1, 5, 2, 2))


def test_without_a_state_it_begins_with_nothing():
    *inputs, state = selective(2, 9, 3, 4)
    for ours, theirs in zip(selective_scan(*inputs), selective_scan(*inputs, torch.zeros_like(state))):
        assert torch.equal(ours, theirs)


def test_a_system_without_decay_counts():
    """A = 0: the state is a running sum."""
    u, one = torch.randn(1, 50, 2), torch.ones(1, 50, 1)
    y, last = selective_scan(u, torch.ones_like(u), torch.zeros(2, 1), one, one)
    assert torch.allclose(y, u.cumsum(1), atol=1e-5)
    assert torch.allclose(last[0, :, 0], u.sum(1)[0], atol=1e-5)


def test_a_selective_sequence_in_parts_is_the_whole_gradients_through_the_state_included():
    inputs = selective(2, 23, 3, 4)
    u, dt, A, B, C, state = inputs
    ys = []
    for part in (slice(0, 1), slice(1, 12), slice(12, 23)):
        y, state = selective_scan(u[:, part], dt[:, part], A, B[:, part], C[:, part], state)
        ys.append(y)
    agree([torch.cat(ys, 1), state], selective_scan(*inputs), inputs, 1e-11)


def test_a_large_state_goes_through_in_pieces():
    """64 x 64 numbers of state: pieces of 512 steps."""
    inputs = selective(1, 530, 64, 64, torch.float32)
    assert 1 < 530 * inputs[-1].numel() / selective_module.PIECE < 2
    ours, known = selective_scan(*inputs), selective_loop(*inputs)
    by = torch.randn_like(known[0])
    for a, b in zip(ours, known):
        assert (a - b).abs().max() <= 1e-6 * b.abs().max()
    for a, b in zip(*(grad(y, inputs, by) for y, _ in (ours, known))):
        assert (a - b).abs().max() <= 5e-6 * b.abs().max()


def test_selective_steps_are_the_scan():
    inputs = selective(2, 9, 3, 4, torch.float32)
    u, dt, A, B, C, state = inputs
    y, last = selective_scan(*inputs)
    for k in range(9):
        y_k, state = selective_step(u[:, k], dt[:, k], A, B[:, k], C[:, k], state)
        assert torch.allclose(y_k, y[:, k], atol=1e-5)
    assert torch.allclose(state, last, atol=1e-5)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 100.0])
def test_sixteen_thousand_selective_steps_are_accurate_from_weak_to_strong_decay(strength):
    """Relative to the largest, in single precision: 1e-6 for what comes out, 5e-6 for gradients."""
    u, dt, A, B, C, state = (t.detach() for t in selective(1, 16384, 2, 2))
    inputs = [t.requires_grad_() for t in (u, dt, strength * A, B, C, state)]
    single = [t.detach().float().requires_grad_() for t in inputs]
    outs, known = selective_scan(*single), selective_scan(*inputs)
    by = [torch.randn_like(out) for out in known]
    for a, b in zip(outs, known):
        assert (a - b).abs().max() <= 1e-6 * b.abs().max()
    for a, b in zip(grad(outs, single, [t.float() for t in by]), grad(known, inputs, by)):
        assert (a - b).abs().max() <= 5e-6 * b.abs().max()


def test_a_strong_decay_among_weak_ones_costs_no_digits():
    """One step that forgets all, then many that forget nearly nothing."""
    u, dt, A, B, C, state = selective(1, 400, 2, 2, torch.float32)
    dt = torch.full_like(dt, 1e-3)
    dt[:, 100] = 1e5
    y, known = (selective_scan(*(t.to(d) for t in (u, dt, A, B, C, state)))[0] for d in (torch.float32, torch.float64))
    assert (y - known).abs().max() <= 1e-6 * known.abs().max()
    x, log_decay, B, C = attending(400, 1e-3, torch.float32)
    log_decay = log_decay.detach().clone()
    log_decay[:, 100] = -1e5
    inputs = x, log_decay, B, C
    y, known = duality.chunked(*inputs)[0], duality.recurrent(*(t.double() for t in inputs))[0]
    assert (y - known).abs().max() <= 1e-6 * known.abs().max()


def test_scans_compute_in_single_precision_under_autocast_and_for_halves():
    inputs = [t.detach() for t in selective(2, 30, 3, 4, torch.float32)]
    y, last = selective_scan(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(selective_scan(*inputs)[0], y)
    half = selective_scan(*(t.bfloat16() for t in inputs))
    assert (half[0].dtype, half[1].dtype) == (torch.bfloat16, torch.float32)
    assert (half[0] - y).abs().max() <= 0.05 * y.abs().max()
    x = [t.detach() for t in attending(30, 1.0, torch.float32)]
    y, _ = duality.chunked(*x, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(duality.chunked(*x, 8)[0], y)
    assert duality.chunked(*(t.bfloat16() for t in x), 8)[0].dtype == torch.bfloat16


def test_a_second_derivative_is_refused_in_words():
    inputs = selective(1, 4, 2, 2)
    (slope,) = grad(selective_scan(*inputs)[0].square().sum(), inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
    inputs = attending(4)
    (slope,) = grad(duality.chunked(*inputs)[0].square().sum(), inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_the_dual_form_s_gradients_are_differences():
    assert gradcheck(lambda *inputs: duality.chunked(*inputs, chunk=3), attending(5))


def test_a_decay_of_nothing_left_is_a_beginning():
    """log 0 = -infinity: what comes after does not know what came before."""
    x, log_decay, B, C = (t.detach() for t in attending(9))
    log_decay[:, 4] = -torch.inf
    y, _ = duality.chunked(x, log_decay, B, C, chunk=4)
    alone, _ = duality.chunked(*(t[:, 4:] for t in (x, log_decay, B, C)), chunk=4)
    assert torch.allclose(y[:, 4:], alone, atol=1e-12)


def test_decay_matrix_is_the_product_of_what_lies_between():
    decay = torch.rand(5, dtype=torch.float64)
    M = duality.decay_matrix(decay.log())
    for i in range(5):
        for j in range(5):
            known = decay[j + 1 : i + 1].prod() if j <= i else 0
            assert float(M[i, j]) == pytest.approx(float(known), abs=1e-12)


def test_decay_matrix_has_gradients_where_the_upper_half_would_be_infinite():
    log_decay = torch.full((100,), -50.0, requires_grad=True)
    M = duality.decay_matrix(log_decay)
    assert torch.allclose(M, torch.eye(100), atol=1e-20)  # exp(-50) is 2e-22
    M.sum().backward()
    assert log_decay.grad.isfinite().all()


@pytest.mark.parametrize("length", [1, 2, 7, 8, 21])
def test_quadratic_is_chunked_is_recurrent_gradients_included(length):
    inputs = attending(length)
    (y, last), known = duality.chunked(*inputs, chunk=4), duality.recurrent(*inputs)
    agree([y, last], known, inputs, 1e-11)
    agree([duality.quadratic(*inputs)], known[:1], inputs, 1e-11)


def test_the_three_agree_to_1e_5_in_single_precision():
    inputs = attending(300, 0.1, torch.float32)
    known = duality.recurrent(*inputs)[0]
    scale = known.abs().max()
    for y in (duality.quadratic(*inputs), *(duality.chunked(*inputs, chunk)[0] for chunk in (1, 16, 64, 1000))):
        assert (y - known).abs().max() <= 1e-5 * scale


def test_no_decay_is_linear_attention():
    x, _, B, C = attending(12)
    known = (C @ B.mT).tril()[:, None] @ x.transpose(1, 2)
    assert torch.allclose(duality.quadratic(x, torch.zeros(2, 12, 2).double(), B, C), known.transpose(1, 2), atol=1e-12)


def test_a_dual_sequence_in_parts_is_the_whole():
    inputs, state = attending(23), torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    whole, ys, h = duality.chunked(*inputs, 8, state), [], state
    for part in (slice(0, 1), slice(1, 12), slice(12, 23)):
        y, h = duality.chunked(*(t[:, part] for t in inputs), 4, h)
        ys.append(y)
    agree([torch.cat(ys, 1), h], whole, [*inputs, state], 1e-11)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 100.0])
def test_sixteen_thousand_dual_places_are_accurate_from_weak_to_strong_decay(strength):
    inputs = attending(16384, strength)
    single = [t.detach().float().requires_grad_() for t in inputs]
    outs, known = duality.chunked(*single), duality.chunked(*inputs)
    by = [torch.randn_like(out) for out in known]
    for a, b in zip(outs, known):
        assert (a - b).abs().max() <= 1e-6 * b.abs().max()
    for a, b in zip(grad(outs, single, [t.float() for t in by]), grad(known, inputs, by)):
        assert (a - b).abs().max() <= 5e-6 * b.abs().max()


def test_the_doors_say_what_is_wrong():
    a, b = steps(4)
    with pytest.raises(ValueError, match="of one shape"):
        scan.loop(a, b[:, :3])
    with pytest.raises(ValueError, match="the state before"):
        scan.doubling(a, b, torch.zeros(2, 2, dtype=torch.float64))
    u, dt, A, B, C, state = selective(2, 4, 3, 5)
    for run in (selective_scan, selective_loop):
        with pytest.raises(ValueError, match="needs dt like it"):
            run(u, dt, A, B[:1], C)
        with pytest.raises(ValueError, match="the state is"):
            run(u, dt, A, B, C, state[:1])
        with pytest.raises(ValueError, match="at least one step"):
            run(*(t[:, :0] for t in (u, dt)), A, *(t[:, :0] for t in (B, C)))
    x, log_decay, B, C = attending(4)
    with pytest.raises(ValueError, match="needs log_decay"):
        duality.quadratic(x, log_decay[:, :3], B, C)
    with pytest.raises(ValueError, match="at least one place"):
        duality.chunked(x, log_decay, B, C, chunk=0)
    with pytest.raises(ValueError, match="the state is"):
        duality.recurrent(x, log_decay, B, C, torch.zeros(2, 2, 4, 3, dtype=torch.float64))
