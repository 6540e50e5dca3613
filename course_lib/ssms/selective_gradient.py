"""The selective scan and its gradient, chunk by chunk; `selective` says what it is and how it is cut.

Backward is the same recurrence run from the end. With g_k the gradient at h_k,

    g_k = C_k dy_k + exp(dt_{k+1} A) g_{k+1}

and so it is cut in the same way: every chunk from 0, over the chunks, every chunk again. In the last of these
loops g_k meets the states h_k and h_{k-1}, which are run anew from the beginnings of the chunks, the only states
that were kept.

Inside, time within the chunk comes first and channels come last: rows (Q, K B, 1, W), states (K B, N, W).
So each step is one piece of memory, and each operation runs along channels; the loops write into memory that they
were given, since to ask for new memory costs more than to compute. If Q K > L, steps with dt = 0 fill up, which
change no state.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

ENOUGH = 2**17  # numbers in one operation: with fewer its start weighs, with more they leave the fast memory


class SelectiveScan(torch.autograd.Function):
    """(u, dt, A, B, C, state) -> (y, last state), as `selective_scan`, which checks what comes in."""

    @staticmethod
    def forward(ctx, u, dt, A, B, C, state):
        du, dt_, B_, C_ = _chunked(_chunk_size(u, A), dt * u, dt, B, C)
        At = A.T.contiguous()
        totals = _decay(dt_.sum(0), At)
        h, room, y = torch.zeros_like(totals), torch.empty_like(totals), torch.empty_like(du)
        for du_q, dt_q, B_q in zip(du, dt_, B_.mT):
            _advance(h, _decay(dt_q, At, room), du_q, B_q, out=h)
        starts, last = _carry(state.mT, totals, h)
        h.copy_(starts)
        for du_q, dt_q, B_q, C_q, y_q in zip(du, dt_, B_.mT, C_, y):
            _advance(h, _decay(dt_q, At, room), du_q, B_q, out=h)
            torch.bmm(C_q, h, out=y_q)
        ctx.save_for_backward(u, dt, A, B, C, starts)
        return _joined(y, u), last.mT.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, d_last):
        with torch.autocast(dy.device.type, enabled=False):
            return _gradients(*ctx.saved_tensors, dy, d_last)


def _gradients(u, dt, A, B, C, starts, dy, d_last):
    """Of u, dt, A, B, C and the state before."""
    du, u_, dt_, B_, C_, dy_ = _chunked(_chunk_size(u, A), dt * u, u, dt, B, C, dy)
    At = A.T.contiguous()
    states = _states(starts, At, du, dt_, B_)
    g, room, product = torch.zeros_like(starts), torch.empty_like(starts), torch.empty_like(starts)
    for dt_q, C_q, dy_q in _backwards(dt_, C_.mT, dy_):
        g.addcmul_(dy_q, C_q).mul_(_decay(dt_q, At, room))
    g, d_state = _carry(d_last.mT, _decay(dt_.sum(0), At), g, _backwards)
    dA, d_du, d_dt, dB, dC = (torch.zeros_like(t) for t in (starts, du, dt_, B_, C_))
    given, wanted = _backwards(states, states[1:], du, dt_, B_, C_.mT, dy_), _backwards(d_du, d_dt, dB, dC)
    for (before, h, du_q, dt_q, B_q, C_q, dy_q), (d_du_q, d_dt_q, dB_q, dC_q) in zip(given, wanted):
        g.addcmul_(dy_q, C_q)
        torch.bmm(dy_q, h.mT, out=dC_q)
        torch.bmm(du_q, g.mT, out=dB_q)
        torch.bmm(B_q, g, out=d_du_q)
        g.mul_(_decay(dt_q, At, room))
        torch.mul(g, before, out=product)  # the gradient at the exponent dt A
        dA.addcmul_(product, dt_q)
        torch.sum(product.mul_(At), 1, keepdim=True, out=d_dt_q)
    d_dt.addcmul_(d_du, u_)
    d_u, d_dt, dB, dC = (_joined(t, u) for t in (d_du.mul_(dt_), d_dt, dB, dC))
    return d_u, d_dt, dA.sum(0).T, dB, dC, d_state.mT


def _states(starts: Tensor, At: Tensor, du: Tensor, dt: Tensor, B: Tensor) -> Tensor:
    """All states of all chunks, (Q + 1, K B, N, W), anew from those with which the chunks begin."""
    states, room = starts.new_empty(len(du) + 1, *starts.shape), torch.empty_like(starts)
    states[0] = starts
    for h, after, du_q, dt_q, B_q in zip(states, states[1:], du, dt, B.mT):
        _advance(h, _decay(dt_q, At, room), du_q, B_q, out=after)
    return states


def _advance(h: Tensor, decay: Tensor, du: Tensor, B: Tensor, out: Tensor) -> None:
    """One step of every chunk."""
    torch.mul(h, decay, out=out).addcmul_(du, B)


def _decay(dt: Tensor, At: Tensor, out: Tensor | None = None) -> Tensor:
    """exp(dt A): (K B, 1, W), (N, W) -> (K B, N, W)."""
    return torch.mul(dt, At, out=out).exp_()


def _backwards(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return reversed(list(zip(*parts)))


def _carry(state: Tensor, totals: Tensor, added: Tensor, order: Callable = zip) -> tuple[Tensor, Tensor]:
    """Over the chunks: with what each begins (K B, N, W), and what is left after all of them (B, N, W)."""
    starts = torch.empty_like(totals)
    for start, total, add in order(*(t.unflatten(0, (-1, len(state))) for t in (starts, totals, added))):
        start.copy_(state)
        state = torch.addcmul(add, total, state)
    return starts, state


def _chunk_size(u: Tensor, A: Tensor) -> int:
    """Q, about sqrt(L), or longer where few chunks, with the whole batch, are work enough."""
    length = u.shape[1]
    chunks = min(math.isqrt(length), max(1, ENOUGH // (len(u) * A.numel())))
    return math.ceil(length / chunks)


def _chunked(size: int, *sequences: Tensor) -> list[Tensor]:
    """(B, L, D) -> (Q, K B, 1, D), filled up with 0."""
    padded = (pad(t, (0, 0, 0, -t.shape[1] % size)).unflatten(1, (-1, size)) for t in sequences)
    return [t.permute(2, 1, 0, 3).flatten(1, 2).unsqueeze(2).contiguous() for t in padded]


def _joined(t: Tensor, like: Tensor) -> Tensor:
    """(Q, K B, 1, D) -> (B, L, D), for the B and L of `like`."""
    b, length = like.shape[:2]
    return t.squeeze(2).unflatten(1, (-1, b)).permute(2, 1, 0, 3).flatten(1, 2)[:, :length]
