"""The selective scan and its gradient, chunk by chunk; `selective` says what it is and how it is cut.

Backward is the same recurrence run from the end. With g_k the gradient at h_k,

    g_k = C_k dy_k + exp(dt_{k+1} A) g_{k+1}

and so it is cut in the same way: every chunk from 0, over the chunks, every chunk again. In the last of these
loops g_k meets the states h_k and h_{k-1}, which are run anew from the beginnings of the chunks, the only states
that were kept.

Inside, time within the chunk comes first and channels come last: (Q, B, K, W) and (Q, B, K, N), states (B, K, N, W).
So each step is one piece of memory, and each operation runs along channels. If Q K > L, steps with dt = 0 fill up,
which change no state.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


class SelectiveScan(torch.autograd.Function):
    """(u, dt, A, B, C, state) -> (y, last state), as `selective_scan`, which checks what comes in."""

    @staticmethod
    def forward(ctx, u, dt, A, B, C, state):
        ctx.length, ctx.size = u.shape[1], _chunk_size(u.shape[1])
        At = A.T.contiguous()
        du, dt_, B_, C_ = (_chunks(t, ctx.size) for t in (dt * u, dt, B, C))
        totals = _decay(dt_.sum(0), At)
        h = torch.zeros_like(totals)
        for q in range(ctx.size):
            _advance(h, dt_[q], At, du[q], B_[q])
        starts, last = _carry(state.mT, totals, h)
        h, y = starts.clone(), torch.empty_like(du)
        for q in range(ctx.size):
            _advance(h, dt_[q], At, du[q], B_[q])
            y[q] = (C_[q][..., None, :] @ h).squeeze(-2)
        ctx.save_for_backward(u, dt, A, B, C, starts)
        return _joined(y, ctx.length), last.mT.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, d_last):
        with torch.autocast(dy.device.type, enabled=False):
            return _gradients(ctx.size, *ctx.saved_tensors, dy, d_last)


def _gradients(size, u, dt, A, B, C, starts, dy, d_last):
    length, At = u.shape[1], A.T.contiguous()
    u_, dt_, B_, C_, dy_ = (_chunks(t, size) for t in (u, dt, B, C, dy))
    du = dt_ * u_
    g = torch.zeros_like(starts)  # what flows out of each chunk, to the one before it
    for q in reversed(range(size)):
        g.addcmul_(dy_[q][..., None, :], C_[q][..., None]).mul_(_decay(dt_[q], At))
    g, d_state = _carry(d_last.mT, _decay(dt_.sum(0), At).flip(1), g.flip(1))
    g, states = g.flip(1), [starts]
    for q in range(size):
        states.append(_advance(states[-1].clone(), dt_[q], At, du[q], B_[q]))
    d_du, d_dt, dB, dC = (torch.empty_like(t) for t in (du, dt_, B_, C_))
    dA = torch.zeros_like(starts)
    for q in reversed(range(size)):
        g.addcmul_(dy_[q][..., None, :], C_[q][..., None])
        dC[q] = (states.pop() @ dy_[q][..., None]).squeeze(-1)
        dB[q] = (g @ du[q][..., None]).squeeze(-1)
        d_du[q] = (B_[q][..., None, :] @ g).squeeze(-2)
        g.mul_(_decay(dt_[q], At))
        by_exponent = g * states[-1]
        dA.addcmul_(by_exponent, dt_[q][..., None, :])
        d_dt[q] = (by_exponent * At).sum(-2)
    d_dt.addcmul_(d_du, u_)
    d_u, d_dt, dB, dC = (_joined(t, length) for t in (d_du * dt_, d_dt, dB, dC))
    return d_u, d_dt, dA.sum((0, 1)).T, dB, dC, d_state.mT


def _advance(h: Tensor, dt: Tensor, At: Tensor, du: Tensor, B: Tensor) -> Tensor:
    """One step of every chunk, in place."""
    return h.mul_(_decay(dt, At)).addcmul_(du[..., None, :], B[..., None])


def _decay(dt: Tensor, At: Tensor) -> Tensor:
    """exp(dt A): (..., W), (N, W) -> (..., N, W)."""
    return torch.exp_(dt[..., None, :] * At)


def _carry(state: Tensor, totals: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """Over the chunks: with what each begins (B, K, N, W), and what the last one leaves (B, N, W)."""
    starts = []
    for total, add in zip(totals.unbind(1), added.unbind(1)):
        starts.append(state)
        state = torch.addcmul(add, total, state)
    return torch.stack(starts, 1), state


def _chunk_size(length: int) -> int:
    return math.isqrt(length - 1) + 1


def _chunks(t: Tensor, size: int) -> Tensor:
    """(B, L, D) -> (Q, B, K, D), filled up with 0."""
    t = pad(t, (0, 0, 0, -t.shape[1] % size))
    return t.unflatten(1, (-1, size)).permute(2, 0, 1, 3).contiguous()


def _joined(t: Tensor, length: int) -> Tensor:
    """The inverse of `_chunks`."""
    return t.permute(1, 2, 0, 3).flatten(1, 2)[:, :length]
