"""Public points of 05_ssms, continued: all steps at once (see test_ssms.py)."""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

# Two channels with two states each; in the first a wave that halves and turns by a quarter in each step.
KEEP = torch.tensor([[0.5j, 0.5 + 0j], [-0.5 + 0j, 0.5 - 0.5j]])
ADD = torch.tensor([[1 + 0j, 2 + 1j], [2 + 2j, 1j]])
READ = torch.tensor([[4 + 4j, 1 - 1j], [3 + 0j, 8 + 8j]])


def powers(length: int, first: int = 0) -> Tensor:
    return torch.stack([KEEP**l for l in range(first, first + length)], 2)


@task("kernel")
def test_kernel_values(student):
    """A real number for each step ago: twice the real part of c times a_bar to the l times b_bar."""
    each = (READ * ADD)[..., None] * powers(4)
    want = torch.tensor([[14.0, -1, -0.5, 1.75], [-4, -6, 11, 6.5]])
    wrong = {
        "one of each pair is kept, so its conjugate counts too: twice the real part": each.sum(1).real,
        "the two conjugates are added: the result is real": 2 * each.sum(1),
        "return a real tensor: take the real part": each.sum(1),
        "the real part of a product is not the product of the real parts: multiply first": (
            2 * ((READ.real * ADD.real)[..., None] * powers(4).real).sum(1)
        ),
        "the real part of a product is not the product of the real parts: of c b_bar times the powers": (
            2 * ((READ * ADD).real[..., None] * powers(4).real).sum(1)
        ),
        "the powers begin with 0: what was put in just now comes out already": (
            2 * ((READ * ADD)[..., None] * powers(4, first=1)).sum(1).real
        ),
        "this is the imaginary part": 2 * each.sum(1).imag,
        "take the real part, not the absolute value": 2 * each.sum(1).abs(),
        "b_bar is missing": 2 * (READ[..., None] * powers(4)).sum(1).real,
        "c is missing": 2 * (ADD[..., None] * powers(4)).sum(1).real,
        "nothing is conjugated before the product: c b_bar a_bar^l": (
            2 * ((READ.conj() * ADD)[..., None] * powers(4)).sum(1).real
        ),
        "a_bar is what a step leaves: take its powers, not exp(l a_bar)": (
            2 * ((READ * ADD)[..., None] * torch.exp(KEEP[..., None] * torch.arange(4))).sum(1).real
        ),
        "the newest comes first: l counts backwards in time": want.flip(1),
        "sum over the states, the last axis of a_bar, not over the channels": 2 * each.sum(0).real,
        "time stands last: (W, L)": want.T,
        "sum over the states": 2 * each.real,
    }
    expect(student.kernel(KEEP, ADD, READ, 4), want, wrong)


@task("kernel")
def test_kernel_of_a_long_memory(student):
    """A wave that does not fade is still there after a thousand steps."""
    one = torch.ones(1, 1, dtype=torch.complex64)
    angle = torch.arange(1000, dtype=torch.float64) * torch.tensor(0.8, dtype=torch.float64).asin()
    got = student.kernel(torch.tensor([[0.6 + 0.8j]]), one, one, 1000)
    expect(got, 2 * angle.cos().float()[None], {"twice the real part": angle.cos().float()[None]}, atol=5e-3)


# Channel 0 delays by one step and halves; channel 1 sums up, and counts what came two steps ago twice.
X = torch.tensor([[[1.0, 10], [2, 20], [4, 40]], [[0, 1], [0, 0], [8, 5]]])
K = torch.tensor([[0.0, 0.5, 0], [1, 1, 2]])


def on_a_ring(x: Tensor, K: Tensor, length: int) -> Tensor:
    product = torch.fft.rfft(x, n=length, dim=1) * torch.fft.rfft(K.T, n=length, dim=0)
    return torch.fft.irfft(product, n=length, dim=1)[:, : x.shape[1]]


@task("causal_convolution")
def test_causal_convolution_values(student):
    """Each channel with its own kernel: one delays, one sums up the last three."""
    want = torch.tensor([[[0, 10], [0.5, 30], [1, 80]], [[0, 1], [0, 1], [0, 7.0]]])
    ahead = on_a_ring(X.flip(1), K, 6).flip(1)
    late = torch.fft.irfft(torch.fft.rfft(X, n=6, dim=1) * torch.fft.rfft(K.T, n=6, dim=0), n=6, dim=1)[:, 3:]
    wrong = {
        "time is a ring here: the last inputs reach the first outputs. Put L zeros behind both": on_a_ring(X, K, 3),
        "time is still a ring for the last inputs: one zero is not enough, take n = 2 L": on_a_ring(X, K, 4),
        "these outputs see the future: the kernel is to be turned over, as y_k = sum K_(k-j) x_j does": ahead,
        "keep the first L places of the result, not the last": late,
        "multiply the transforms, not the sequences": X * K.T,
        "each channel has its own kernel: here the channels have changed places": on_a_ring(X, K.flip(0), 6),
        "time is axis 1: (b, L, W)": want.mT,
        "keep the first L places of the result": torch.cat([want, late], 1),
    }
    expect(student.causal_convolution(X, K), want, wrong, atol=1e-4)


@task("causal_convolution")
def test_causal_convolution_never_sees_the_future(student):
    """A change of the last input changes the last output only; a kernel of 1, 0, 0, … changes nothing."""
    x, K = torch.arange(64.0).cos().view(1, 64, 1), 0.99 ** torch.arange(64.0)[None]
    changed = x.clone()
    changed[:, -1] += 100
    first, second = student.causal_convolution(x, K), student.causal_convolution(changed, K)
    require(
        all(isinstance(y, Tensor) and y.shape == x.shape for y in (first, second)), "y has the shape of x, (b, L, W)"
    )
    early = bool((first - second)[:, :-1].abs().max() > 1e-2)
    require(not early, "an early output changes with the last input: there must be enough zeros behind the sequences")
    expect(student.causal_convolution(x, torch.eye(64)[:1]), x, atol=1e-4)


FIRST = torch.tensor([0.5, 2, 0, -1]), torch.tensor([1.0, 2, 3, 4])
SECOND = torch.tensor([0.25, -3, 7, 0]), torch.tensor([10.0, 20, 30, 40])


@task("combine")
def test_combine_values(student):
    """Two steps in a row, (a1, u1) and then (a2, u2), are one step."""
    (a1, u1), (a2, u2) = FIRST, SECOND
    right = torch.tensor([0.125, -6, 0, 0]), torch.tensor([10.25, 14, 51, 40])
    wrong = {
        "the order is turned: the later decay acts on what the earlier step added": (a1 * a2, a1 * u2 + u1),
        "what the earlier step added fades in the later step: a2 u1 + u2": (a1 * a2, u1 + u2),
        "decays are multiplied, not added": (a1 + a2, right[1]),
        "the decay of both is the product, not the later one alone": (a2, right[1]),
        "the decay acts on its own input: u2 comes after a2": (a1 * a2, a2 * (u1 + u2)),
        "what the earlier step added fades in the later step only, not in its own": (a1 * a2, a1 * a2 * u1 + u2),
        "the decay comes first, then the inputs": right[::-1],
        "return a pair, as you were given": right[1],
    }
    expect(student.combine(FIRST, SECOND), right, wrong)


def combined(earlier: tuple[Tensor, Tensor], later: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What `combine` should do, so that a mistake in it is not punished twice."""
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


def rolled(decay: Tensor, inputs: Tensor) -> Tensor:
    for d in (1, 2, 4):
        decay, inputs = combined((decay.roll(d, 1), inputs.roll(d, 1)), (decay, inputs))
    return inputs


@task("combine")
def test_scan_values(student):
    """Sequences of six places; one of the decays is 0, one is below 0."""
    student.combine = combined
    decay = torch.tensor([[0.5, 2, 1, -1, 0.5, 3], [1, 1, 0, 1, 2, 2]])[..., None]
    inputs = torch.tensor([[1.0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]])[..., None]
    want = torch.tensor([[1.0, 4, 7, -3, 3.5, 16.5], [1, 3, 3, 7, 19, 44]])[..., None]
    product = decay.cumprod(1)
    backwards = looped(decay.flip(1), inputs.flip(1)).flip(1)
    wrong = {
        "a quotient of products of decays divides 0 by 0: merge steps, divide nothing": (
            product * (inputs / product).cumsum(1)
        ),
        "one pass lets each place see two inputs: go on with distance 2, 4, …": passes(decay, inputs, 1),
        "the last pass is missing: the distance goes on while it is below L": passes(decay, inputs, 1, 2),
        "the distance doubles: with 1, 2, 3, … places see some inputs twice": passes(decay, inputs, 1, 2, 3, 4, 5),
        "the past is no ring: a place with nothing before it stays as it is": rolled(decay, inputs),
        "this sums without any decay": inputs.cumsum(1),
        "return the inputs that were summed, not the decays": product,
        "time runs backwards": backwards,
        "h_0 is u_0 already: this is one step late": torch.cat([want[:, :1] * 0, want[:, :-1]], 1),
        "this scans over the channels or sequences: time is axis 1": looped(
            decay.transpose(0, 1), inputs.transpose(0, 1)
        ).transpose(0, 1),
    }
    expect(student.scan(decay, inputs), want, wrong)


@task("combine")
def test_scan_in_few_passes(student):
    """64 places take 6 passes, and the decays of each are used, also where they are tiny."""
    calls = []

    def counted(earlier, later):
        calls.append(1)
        return combined(earlier, later)

    student.combine = counted
    decay, inputs = torch.arange(128.0).sin().view(1, 64, 2) * 1e-3, torch.arange(128.0).cos().view(1, 64, 2)
    expect(student.scan(decay, inputs), looped(decay, inputs))
    require(len(calls) <= 16, f"{len(calls)} calls of `combine` for 64 places: merge all places of a pass at once")
