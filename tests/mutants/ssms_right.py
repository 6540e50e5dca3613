"""Right answers to the exercises of 05_ssms that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a part of something larger there would be in
`METHODS`. How the library's layers use them is compared in tests/library/test_ssms_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import math

import torch
from torch.nn.functional import conv1d, pad

from course_lib.ssms import discretise, duality, hippo, linear, s4d, selective
from course_lib.ssms import scan as scans

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("zoh")
def zoh(a, b, dt):
    """By sinh: (e^z - 1) / z = e^(z/2) sinh(z/2) / (z/2), and torch has sin(x) / x with its limit."""
    z = dt * a
    share = torch.exp(z / 2) * torch.sinc(-1j * z / (2 * math.pi))
    return torch.exp(z), dt * b * (share if a.is_complex() else share.real)


@right("zoh")
def zoh(a, b, dt):
    """A short series near 0, the formula elsewhere."""
    z = dt * a
    small = z.abs() < 0.02
    away = torch.where(small, torch.ones_like(z), z)
    series = 1 + z / 2 + z**2 / 6 + z**3 / 24 + z**4 / 120
    return z.exp(), b * dt * torch.where(small, series, (away.exp() - 1) / away)


@right("zoh")
def zoh(a, b, dt):
    """In double precision, one number after the other."""
    keep, add = [], []
    for a_n, b_n in zip(a.unbind(), b.unbind()):
        double = a_n.to(torch.complex128 if a.is_complex() else torch.float64)
        area = dt.double() if bool(a_n == 0) else torch.expm1(dt.double() * double) / double
        keep.append(torch.exp(dt * a_n))
        add.append((area * b_n).to(a.dtype))
    return torch.stack(keep), torch.stack(add)


@right("bilinear")
def bilinear(A, B, dt):
    inverse = torch.linalg.inv(torch.eye(A.shape[0]) - 0.5 * dt * A)
    return inverse @ (torch.eye(A.shape[0]) + 0.5 * dt * A), inverse @ B * dt


@right("bilinear")
def bilinear(A, B, dt):
    """One system of equations for both: 2 / left - 1 is right / left."""
    n = len(B)
    left = torch.eye(n) - A * (dt / 2)
    both = torch.linalg.solve(left, torch.cat([2 * torch.eye(n), dt * B.view(n, 1)], dim=1))
    return both[:, :n] - torch.eye(n), both[:, n]


@right("recurrence")
def recurrence(A_bar, B_bar, C, x):
    """States as columns."""
    h, y = torch.zeros(len(B_bar), len(x)), torch.zeros_like(x)
    outputs = []
    for k in range(x.shape[1]):
        h = A_bar @ h + torch.outer(B_bar, x[:, k])
        outputs.append(C @ h)
    return y + torch.stack(outputs).T


@right("recurrence")
def recurrence(A_bar, B_bar, C, x):
    """As a matrix of all pairs of places."""
    length, columns = x.shape[1], [B_bar]
    for _ in range(length - 1):
        columns.append(A_bar @ columns[-1])
    weights = torch.stack([C @ column for column in columns])
    rows = [torch.cat([weights[: i + 1].flip(0), torch.zeros(length - 1 - i)]) for i in range(length)]
    return x @ torch.stack(rows).T


@right("kernel")
def kernel(a_bar, b_bar, c, length):
    """By exponentials of multiples of the logarithm."""
    wave = torch.exp(a_bar.log()[:, None] * torch.arange(length)[:, None])  # (W, L, N)
    part = wave * (c * b_bar)[:, None]
    return (part + part.conj()).sum(2).real


@right("kernel")
def kernel(a_bar, b_bar, c, length):
    """Step by step."""
    state, found = b_bar, []
    for _ in range(length):
        found.append(2 * (c.real * state.real - c.imag * state.imag).sum(-1))
        state = a_bar * state
    return torch.stack(found, -1)


@right("causal_convolution")
def causal_convolution(x, K):
    """By a convolution of torch, which is a correlation with the kernel turned over."""
    length = x.shape[1]
    return conv1d(pad(x.mT, (length - 1, 0)), K.flip(1)[:, None], groups=len(K)).mT


@right("causal_convolution")
def causal_convolution(x, K):
    """Sums along the diagonals."""
    y = torch.zeros_like(x)
    for shift in range(x.shape[1]):
        y = y + pad(x[:, : x.shape[1] - shift] * K[:, shift], (0, 0, shift, 0))
    return y


@right("causal_convolution")
def causal_convolution(x, K):
    """By complex transforms of another length."""
    n = 2 * x.shape[1] + 3
    product = torch.fft.fft(x.transpose(1, 2), n) * torch.fft.fft(K, n)
    return torch.fft.ifft(product).real[:, :, : x.shape[1]].transpose(1, 2)


@right("combine")
def combine(earlier, later):
    return earlier[0] * later[0], torch.addcmul(later[1], later[0], earlier[1])


@right("combine")
def scan(decay, inputs):
    """With a neutral step, which changes nothing, in the place of those that are not there."""
    length, distance = decay.shape[1], 1
    while distance < length:
        before = pad(decay, (0, 0, distance, 0), value=1.0)[:, :length], pad(inputs, (0, 0, distance, 0))[:, :length]
        decay, inputs = combine(before, (decay, inputs))
        distance = distance + distance
    return inputs


@right("combine")
def scan(decay, inputs):
    """By halves: pairs of neighbours are merged, scanned, and the places between filled in (Blelloch)."""
    if decay.shape[1] == 1:
        return inputs
    even = decay.shape[1] // 2 * 2
    pairs = combine((decay[:, 0:even:2], inputs[:, 0:even:2]), (decay[:, 1:even:2], inputs[:, 1:even:2]))
    odd_states = scan(*pairs)
    h = torch.zeros_like(inputs)
    h = h.index_add(1, torch.arange(1, even, 2), odd_states)
    before = pad(odd_states, (0, 0, 1, 0))[:, : (decay.shape[1] + 1) // 2]
    return h.index_add(1, torch.arange(0, decay.shape[1], 2), decay[:, ::2] * before + inputs[:, ::2])


@right("combine")
def scan(decay, inputs):
    """The plain loop is right as well, if slow: it calls no `combine`."""
    h, found = torch.zeros_like(inputs[:, 0]), []
    for k in range(decay.shape[1]):
        h = torch.addcmul(inputs[:, k], decay[:, k], h)
        found.append(h)
    return torch.stack(found, dim=1)


@right("legs")
def legs(size):
    """Number by number."""
    A = torch.zeros(size, size)
    for n in range(size):
        for k in range(n + 1):
            A[n, k] = -(n + 1) if n == k else -math.sqrt((2 * n + 1) * (2 * k + 1))
    return A, torch.tensor([math.sqrt(2 * n + 1) for n in range(size)])


@right("legs")
def legs(size):
    odd = torch.arange(1, 2 * size, 2, dtype=torch.float32)
    A = -(odd[:, None] * odd).sqrt().tril()
    return A + torch.diag((odd - 1) / 2), odd.sqrt()


@right("legs")
def remember(state, places):
    """The sum while the polynomials come."""
    z = 2 * places - 1
    before, now = torch.zeros_like(z), torch.ones_like(z)
    total = state[..., :1] * now
    for n in range(1, state.shape[-1]):
        before, now = now, ((2 * n - 1) * z * now - (n - 1) * before) / n
        total = total + math.sqrt(2 * n + 1) * state[..., n : n + 1] * now
    return total


@right("selective_step")
def selective_step(x, dt, A, B, C, state):
    keep = torch.exp(torch.einsum("bw,wn->bwn", dt, A))
    new = keep * state + torch.einsum("bw,bw,bn->bwn", dt, x, B)
    return torch.einsum("bwn,bn->bw", new, C), new


@right("selective_step")
def selective_step(x, dt, A, B, C, state):
    """Channel by channel, with a product of matrices to read."""
    rows = []
    for w in range(len(A)):
        size = dt[:, w].unsqueeze(1)
        rows.append((size * A[w]).exp() * state[:, w] + size * x[:, w].unsqueeze(1) * B)
    new = torch.stack(rows, dim=1)
    return (new @ C.unsqueeze(2)).squeeze(2), new


@right("decay_matrix")
def decay_matrix(log_decay):
    """Each column sums up what comes after its place."""
    length = log_decay.shape[-1]
    lower = torch.ones(length, length, dtype=torch.bool).tril()
    sums = (log_decay[..., None] * lower.tril(-1)).cumsum(-2)
    return torch.exp(sums) * lower


@right("decay_matrix")
def decay_matrix(log_decay):
    """With what lies above the diagonal put to 0 before the exponential as well as after it."""
    total = torch.cumsum(log_decay, dim=-1)
    return torch.exp((total.unsqueeze(-1) - total.unsqueeze(-2)).tril()).tril()


@right("decay_matrix")
def decay_matrix(log_decay):
    """Row by row: the last one fades, and a 1 is added."""
    length, rows = log_decay.shape[-1], []
    row = torch.zeros_like(log_decay)
    for i in range(length):
        one = torch.zeros(length).index_fill(0, torch.tensor(i), 1.0)
        row = row * log_decay[..., i : i + 1].exp() + one
        rows.append(row)
    return torch.stack(rows, dim=-2)


@right("ssd")
def ssd(x, log_decay, B, C):
    M = decay_matrix(log_decay.transpose(1, 2))
    scores = torch.einsum("bin,bjn->bij", C, B).unsqueeze(1)
    return ((M * scores) @ x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)


@right("ssd")
def ssd(x, log_decay, B, C):
    """Place by place, with a state."""
    h, y = torch.zeros(x.shape[0], x.shape[2], x.shape[3], B.shape[2]), []
    for x_k, log_k, B_k, C_k in zip(x.unbind(1), log_decay.unbind(1), B.unbind(1), C.unbind(1)):
        h = log_k.exp()[..., None, None] * h + x_k[..., None] * B_k[:, None, None]
        y.append(torch.einsum("bhpn,bn->bhp", h, C_k))
    return torch.stack(y, dim=1)


@right("chunked")
def chunked(x, log_decay, B, C, chunk, state):
    """All chunks side by side, then the carries."""
    count = x.shape[1] // chunk
    x, log_decay, B, C = (part.unflatten(1, (count, chunk)) for part in (x, log_decay, B, C))
    inside = ssd(*(part.flatten(0, 1) for part in (x, log_decay, B, C))).view(x.shape)
    total = log_decay.cumsum(2)
    put = torch.einsum("bkqhp,bkqn->bkhpn", (total[:, :, -1:] - total).exp()[..., None] * x, B)
    begins = []
    for k in range(count):
        begins.append(state)
        state = total[:, k, -1].exp()[..., None, None] * state + put[:, k]
    read = torch.einsum("bkhpn,bkqn->bkqhp", torch.stack(begins, 1), C)
    return (inside + total.exp()[..., None] * read).flatten(1, 2), state


@right("chunked")
def chunked(x, log_decay, B, C, chunk, state):
    """Place by place: the result does not depend on the chunks."""
    y = []
    for k in range(x.shape[1]):
        fresh = x[:, k, :, :, None] * B[:, k, None, None, :]
        state = torch.exp(log_decay[:, k])[:, :, None, None] * state + fresh
        y.append((state * C[:, k, None, None, :]).sum(-1))
    return torch.stack(y, 1), state


def _recurrence(A_bar, B_bar, C, x):
    return linear.recurrence(A_bar, B_bar, C, x[..., None])[..., 0]


def _kernel(a_bar, b_bar, c, length):
    return s4d.kernel(a_bar.log(), c * b_bar, length).T


def _legs(size):
    A, B = hippo.legs(size)
    return A.float(), B.float()


LIBRARY = {
    "zoh": discretise.zoh_diagonal,
    "bilinear": discretise.bilinear,
    "recurrence": _recurrence,
    "kernel": _kernel,
    "causal_convolution": lambda x, K: linear.convolution(x, K.T),
    "combine": scans.combine,
    "scan": scans.doubling,
    "legs": _legs,
    "remember": hippo.reconstruct,
    "selective_step": selective.selective_step,
    "decay_matrix": duality.decay_matrix,
    "ssd": duality.quadratic,
    "chunked": duality.chunked,
}

METHODS = ()
