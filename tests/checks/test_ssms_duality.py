"""Public points of 05_ssms, continued: recurrence as attention (see test_ssms.py)."""

from math import inf, nan

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task

DECAY = torch.tensor([[0.5, 0.25, 0.1, 0.5], [0.1, 1.0, 0.5, 0.2]])


@task("decay_matrix")
def test_decay_matrix_values(student):
    """What is left at each place of what was written at each earlier one."""
    M = torch.tensor(
        [
            [[1, 0, 0, 0], [0.25, 1, 0, 0], [0.025, 0.1, 1, 0], [0.0125, 0.05, 0.5, 1]],
            [[1, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 1, 0], [0.1, 0.1, 0.2, 1]],
        ]
    )
    own, past = DECAY[:, None, :], torch.ones(4, 4).tril()
    total = DECAY.log().cumsum(1)
    whole = torch.exp(total[:, :, None] - total[:, None])
    steps = (torch.arange(4)[:, None] - torch.arange(4)).clamp(min=0)
    before = (total - DECAY.log()).exp()
    wrong = {
        "what has just been written has not faded: the decay of place j itself does not count": M * own,
        "the decay of the place i where one reads counts too": (M / DECAY[:, :, None]).tril(-1) + torch.eye(4),
        "rows read, columns are written: the matrix is turned over": M.mT,
        "above the diagonal there are zeros: nobody reads what is written later": whole,
        "e^0 = 1: set what lies above the diagonal to -inf before the exponential, not to 0": M + (1 - past),
        "the sign is turned: these grow with the distance": (1 / whole) * past,
        "each step has a decay of its own: this is that of one place, to the power of the distance": (
            DECAY[:, :, None] ** steps * past
        ),
        "decays are multiplied over all places between, not only the last one": (
            (DECAY[:, :, None] * past).tril(-1) + torch.eye(4)
        ),
        "these are logarithms: take the exponential": M.log(),
        "these are logarithms: take the exponential, with zeros above the diagonal": torch.where(
            past > 0, M.log(), 0.0
        ),
        "at place i the decays before j do not count: this is what is left since the beginning": (
            total.exp()[:, :, None] * past
        ),
        "this is what is left since the beginning": (before[:, :, None] * past),
        "the diagonal is 1: a place sees what it has just written": M.tril(-1),
    }
    expect(student.decay_matrix(DECAY.log()), M, wrong)


@task("decay_matrix")
def test_decay_matrix_of_strong_decays(student):
    """Two hundred places that forget almost everything: no NaN, no infinity, also not in the gradient."""
    log_decay = torch.full((1, 200), -60.0, requires_grad=True)
    total, past = log_decay.detach().cumsum(1), torch.ones(200, 200).tril()
    ratio = total.exp()[..., None] / total.exp()[:, None]
    infinite = (total[..., None] - total[:, None]).exp()
    hint = "a quotient of products of decays is 0 divided by 0 here: take differences of sums of logarithms"
    wrong = {
        hint: ratio * past,
        f"{hint}, then the exponential": ratio.masked_fill(past == 0, 0),
        "infinity times 0 is NaN: set what lies above the diagonal to -inf before the exponential": infinite * past,
        "infinity is left above the diagonal": torch.where(past > 0, infinite, inf),
    }
    got = student.decay_matrix(log_decay)
    expect(got, torch.eye(200)[None], wrong)
    require(got.requires_grad, "no gradient passes through your function: detach nothing")
    (slope,) = torch.autograd.grad(got.sum(), log_decay)
    hint = (
        "the gradient is NaN: 0 times the slope of an infinite exponential. Mask before the exponential, not after it"
    )
    require(bool(slope.isfinite().all()), hint)


@task("decay_matrix")
def test_decay_matrix_of_all_heads(student):
    """Any axes may stand before the last one."""
    log_decay = -torch.arange(24.0).sin().square().view(2, 3, 4)
    want = torch.stack([student.decay_matrix(row) for row in log_decay.flatten(0, 1)])
    expect(student.decay_matrix(log_decay), want.view(2, 3, 4, 4))


def reference(log_decay: Tensor) -> Tensor:
    """What `decay_matrix` should do, so that a mistake in it is not punished twice."""
    rows = []
    for i in range(log_decay.shape[-1]):
        faded = [log_decay[..., j + 1 : i + 1].sum(-1).exp() for j in range(i + 1)]
        rows.append(torch.stack(faded + [0 * faded[0]] * (log_decay.shape[-1] - i - 1), -1))
    return torch.stack(rows, -2)


# One sequence of three places, two heads of width 1, two states.
U = torch.tensor([[1.0, 10], [2, 20], [3, 0]]).view(1, 3, 2, 1)
LOGS = torch.tensor([[0.5, 0.1], [0.5, 1.0], [0.5, 0.1]]).log()[None]
B, C = torch.tensor([[[1.0, 0], [1, 1], [0, 2]]]), torch.tensor([[[2.0, 1], [0, 3], [1, -1]]])


def recurrent(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Place by place."""
    y = []
    for i in range(x.shape[1]):
        h = log_decay[:, i, :, None, None].exp() * h + x[:, i, :, :, None] * B[:, i, None, None]
        y.append((h * C[:, i, None, None]).sum(-1))
    return torch.stack(y, 1), h


def weighted(weights: Tensor, x: Tensor) -> Tensor:
    """Sums of what was written by weights (b, H, L, L)."""
    return torch.einsum("bhij,bjhp->bihp", weights, x)


@task("ssd")
def test_ssd_values(student):
    """Weights are a product of C and B times what the decays have left of it."""
    student.decay_matrix = reference
    M, score = reference(LOGS.mT), (C @ B.mT)[:, None]
    want = torch.tensor([[[2.0, 20], [6, 60], [-5.75, 1]]])[..., None]
    past = torch.ones(3, 3).tril()
    softmax = score.masked_fill(past == 0, -inf).softmax(-1)
    wrong = {
        "B writes and C reads: they have changed places": weighted(M * (B @ C.mT)[:, None], U),
        "the decay is missing: this is attention without a softmax": weighted(score * past, U),
        "the decay is missing, and with it the mask: places see the future": weighted(score.expand(1, 2, 3, 3), U),
        "there is no softmax here: the decay stands in its place": weighted(softmax.expand(1, 2, 3, 3), U),
        "there is no softmax here: products of C and B are taken as they are": weighted(M * softmax, U),
        "nothing is divided by the root of N here": weighted(M * score, U) / 2**0.5,
        "weights need not sum to 1: divide by nothing": weighted(M * score / (M * score).sum(-1, keepdim=True), U),
        "the weights are turned over: rows read, columns are written": weighted((M * score).mT, U),
        "C and B are missing: these are the decays alone": weighted(M, U),
        "each head has its own decay, not the mean of all": weighted(
            reference(LOGS.mean(2, keepdim=True).mT) * score, U
        ),
        "each head has its own decay: this takes that of the first for all": weighted(M[:, :1] * score, U),
    }
    expect(student.ssd(U, LOGS, B, C), want, wrong)


@task("ssd")
def test_ssd_is_the_recurrence(student):
    """Two sequences, three heads of width 2, and as many places as heads: the same as place by place."""
    student.decay_matrix = reference
    wave = torch.arange(1.0, 400).mul(3).sin()
    x, B, C = wave[:36].view(2, 3, 3, 2), wave[40:64].view(2, 3, 4), wave[70:94].view(2, 3, 4)
    logs = -wave[100:118].square().view(2, 3, 3)
    want, _ = recurrent(x, logs, B, C, torch.zeros(2, 3, 2, 4))
    wrong = {
        "time is axis 1 of log_decay, and your decay_matrix wants it last": weighted(
            reference(logs) * (C @ B.mT)[:, None], x
        ),
        "heads and places of the result have changed places: (b, L, H, P)": want.transpose(1, 2),
    }
    expect(student.ssd(x, logs, B, C), want, wrong)


def square(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """What `ssd` should do."""
    return recurrent(x, log_decay, B, C, torch.zeros(x.shape[0], *x.shape[2:], B.shape[-1]))[0]


def variant(x, log_decay, B, C, chunk, state, *, read=0, write=0, carried=0):
    """Chunk by chunk, with a mistake: 1 counts a place's own decay where it should not, or not where it should."""
    y = []
    for x_q, log_q, B_q, C_q in zip(*(part.split(chunk, 1) for part in (x, log_decay, B, C))):
        total = log_q.cumsum(1)
        seen = [total, total - log_q, 0 * total][read].exp()
        y.append(square(x_q, log_q, B_q, C_q) + seen[..., None] * torch.einsum("bhpn,bqn->bqhp", state, C_q))
        left = [total[:, -1:] - total, total[:, -1:] - total + log_q, 0 * total][write].exp()
        put = torch.einsum("bqhp,bqn->bhpn", left[..., None] * x_q, B_q)
        state = put + [total[:, -1].exp()[..., None, None], 1, 0][carried] * state
    return torch.cat(y, 1), state


CARRY = torch.tensor([[1.0, -1], [2, 0]]).view(1, 2, 1, 2)
LONG = [torch.cat([part, part.flip(1)], 1) for part in (U, LOGS, B, C)]


@task("chunked")
@pytest.mark.parametrize("chunk", [2, 3])
def test_chunked_values(student, chunk):
    """Six places in chunks of two, and of three, after a carry that is not 0."""
    student.ssd, student.decay_matrix = square, reference
    want = recurrent(*LONG, CARRY)
    zero = 0 * CARRY
    parts = [[part.split(chunk, 1)[i] for part in LONG] for i in range(6 // chunk)]
    apart = torch.cat([square(*part) for part in parts], 1)
    restarted = torch.cat([recurrent(*part, CARRY)[0] for part in parts], 1)
    frozen = torch.cat([restarted[:, :chunk], apart[:, chunk:]], 1)
    entering = [
        recurrent(*(part[:, : i * chunk] for part in LONG), CARRY)[1] if i else CARRY for i in range(6 // chunk)
    ]
    wrong = {
        "chunks know nothing of each other: add what the carry says": (apart, want[1]),
        "chunks know nothing of each other: add what the carry says, and hand it on": (apart, CARRY),
        "the state that is given is ignored": recurrent(*LONG, zero),
        "every chunk begins with the state that was given: hand the new one on": (restarted, want[1]),
        "every chunk begins with the state that was given, and it is returned: hand the new one on": (restarted, CARRY),
        "the carry has faded when it is read: multiply by exp(c_i)": variant(*LONG, chunk, CARRY, read=2),
        "the first place of a chunk reads a carry that has faded by its decay already": variant(
            *LONG, chunk, CARRY, read=1
        ),
        "the old carry fades over the whole chunk before the new part is added": variant(
            *LONG, chunk, CARRY, carried=1
        ),
        "the old carry is lost: what is written in the chunk comes on top of it": variant(
            *LONG, chunk, CARRY, carried=2
        ),
        "what is written fades until the end of the chunk: exp(c_last - c_j)": variant(*LONG, chunk, CARRY, write=2),
        "what is written does not fade by its own decay: only by those that follow": variant(
            *LONG, chunk, CARRY, write=1
        ),
        "return the carry after the last chunk, not before it": (want[0], entering[-1]),
        "return the carry after the last chunk, not the one that was given": (want[0], CARRY),
        "only the first chunk reads a carry": (frozen, want[1]),
        "y comes first, then the carry": (want[1], want[0]),
        "return both, y and the carry": want[0],
    }
    expect(student.chunked(*LONG, chunk, CARRY), want, wrong, atol=1e-4)


@task("chunked")
def test_chunked_in_any_chunks(student):
    """Chunks of one place are the recurrence, one chunk is the square form; strong decays are no trouble."""
    student.ssd, student.decay_matrix = square, reference
    wave = torch.arange(1.0, 400).mul(3).sin()
    x, B, C = wave[:96].view(2, 8, 3, 2), wave[100:164].view(2, 8, 4), wave[170:234].view(2, 8, 4)
    logs, state = -40 * wave[240:288].square().view(2, 8, 3), wave[300:348].view(2, 3, 2, 4)
    want = recurrent(x, logs, B, C, state)
    lost = {"a quotient of products of decays is 0 divided by 0 here": (want[0] * nan, want[1] * nan)}
    for chunk in (1, 4, 8):
        expect(student.chunked(x, logs, B, C, chunk, state), want, lost, atol=1e-4)
