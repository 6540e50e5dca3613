"""The chunked form of `duality` and its gradient: products of matrices, and little of it kept.

Left to autograd, each of the L Q weights of each head would be kept several times over. Here only the inputs and
the states between chunks are; backward computes the weights anew, and writes over what is not needed any more. The
names are those of `duality`, and d_x is the gradient at x.

Inside, time within the chunk comes last: x and y are (B, K, H, P, Q), B and C are (B, K, Q, N), states (B, K, H P, N).
So what a chunk hands on is one matrix, which all heads read with the same C. If Q K > L, places without decay or
input fill up, which change no state.

An exponent is a sum of log-decays: a gradient at the exponent is one at each of them.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


class Chunked(torch.autograd.Function):
    """(x, log_decay, B, C, state, Q) -> (y, last state), as `chunked`, which checks what comes in."""

    @staticmethod
    def forward(ctx, x, log_decay, B, C, state, size):
        x_, log_decay_, B_, C_ = _cut(size, x, log_decay, B, C)
        M, since = _decays(log_decay_), log_decay_.cumsum(-1).exp_()
        added = (x_ * M[..., -1:, :]).flatten(2, 3) @ B_  # M's last row: what is left at the chunk's end
        starts, last = _carry(state, since[..., -1], added)
        y = (starts @ C_.mT).view_as(x_).mul_(since[..., None, :])
        y += x_ @ M.mul_((C_ @ B_.mT)[:, :, None]).mT
        ctx.save_for_backward(x, log_decay, B, C, starts)
        ctx.size = size
        return _joined(y, x), last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_last):
        with torch.autocast(d_y.device.type, enabled=False):
            return *_gradients(ctx.size, *ctx.saved_tensors, d_y, d_last), None


def _gradients(size, x, log_decay, B, C, starts, d_y, d_last):
    """Of x, log_decay, B, C and the state before."""
    x_, log_decay_, B_, C_, d_y_ = _cut(size, x, log_decay, B, C, d_y)
    M, since = _decays(log_decay_), log_decay_.cumsum(-1).exp_()
    until, scores = M[..., -1:, :].clone(), (C_ @ B_.mT)[:, :, None]

    # from the states with which chunks begin, to y
    read = d_y_ * since[..., None, :]
    d_since = (read * (starts @ C_.mT).view_as(x_)).sum(-2)  # at its exponents, as d_until and d_M below
    read = read.flatten(2, 3)
    d_C = read.mT @ starts
    d_added, d_total, d_state = _carry_back(d_last, since[..., -1], read @ C_, starts)
    d_since[..., -1] += d_total

    # from x to what chunks add
    d_x = (d_added @ B_.mT).view_as(x_).mul_(until)
    d_until = (d_x * x_).sum(-2)
    d_B = (x_ * until).flatten(2, 3).mT @ d_added

    # from x to y inside chunks
    d_M = (d_y_.mT @ x_).mul_(M)
    d_scores = d_M.sum(2)
    d_M.mul_(scores)
    d_M[..., -1, :] += d_until
    d_x += d_y_ @ M.mul_(scores)
    d_C += d_scores @ B_
    d_B += d_scores.mT @ C_

    later = torch.ones_like(M[0, 0, 0]).triu()  # log_decay_l is part of the exponents of all i >= l > j
    d_log_decay = (later @ d_M).tril_(-1).sum(-1) + d_since @ later.mT
    return *(_joined(t, x) for t in (d_x, d_log_decay, d_B.mT, d_C.mT)), d_state


def _decays(log_decay: Tensor) -> Tensor:
    """`decay_matrix`, in one piece of memory."""
    size = log_decay.shape[-1]
    later = torch.ones(size, size, dtype=torch.bool, device=log_decay.device).tril(-1)
    sums = log_decay[..., None].masked_fill(~later, 0)
    return torch.cumsum(sums, -2, out=sums).exp_().tril_()


def _carry(state: Tensor, totals: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """Over the chunks: with what each begins, shaped as what it adds, and what the last one leaves."""
    starts = torch.empty_like(added)
    for start, total, add in _by_chunk(starts, totals, added):
        start.copy_(state)
        state = torch.addcmul(add, total, state)
    return starts, state


def _carry_back(d_state: Tensor, totals: Tensor, d_starts: Tensor, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients at what chunks add, at the exponents of their totals, and at the state before them all."""
    d_added = torch.empty_like(d_starts)
    for d_add, total, d_start in reversed(_by_chunk(d_added, totals, d_starts)):
        d_add.copy_(d_state)
        d_state = torch.addcmul(d_start, total, d_state)
    d_totals = (d_added * starts).unflatten(2, (totals.shape[2], -1)).sum((-2, -1)) * totals
    return d_added, d_totals, d_state


def _by_chunk(first: Tensor, totals: Tensor, second: Tensor) -> list[tuple[Tensor, ...]]:
    """Views (B, H, P, N), and totals that broadcast with them."""
    heads = totals.shape[2]
    first, second = (t.unflatten(2, (heads, -1)).unbind(1) for t in (first, second))
    return list(zip(first, totals[..., None, None].unbind(1), second))


def _cut(size: int, x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, *more: Tensor) -> list[Tensor]:
    """Into chunks, with time last where there are heads; filled up with 0."""

    def chunks(t: Tensor) -> Tensor:
        return pad(t, (0, 0) * (t.ndim - 2) + (0, -t.shape[1] % size)).unflatten(1, (-1, size))

    heads = [chunks(t).movedim(2, -1).contiguous() for t in (x, log_decay, *more)]
    return [*heads[:2], chunks(B), chunks(C), *heads[2:]]


def _joined(t: Tensor, like: Tensor) -> Tensor:
    """(B, K, ..., Q) -> (B, L, ...), for the L of `like`."""
    return t.movedim(-1, 2).flatten(1, 2)[:, : like.shape[1]]
