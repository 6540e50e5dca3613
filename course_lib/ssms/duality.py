"""Attention and recurrence are one thing (Mamba-2): if a state decays by a number rather than a vector.

    h_k = e^{log_decay_k} h_{k-1} + x_k B_k^T        y_k = h_k C_k

Put the states in, and y_i = sum_{j <= i} (C_i . B_j) e^{log_decay_{j+1} + ... + log_decay_i} x_j. That is attention
without a softmax: queries C, keys B, values x, and a mask M that is not 0 or 1 but fades with distance.
`quadratic` computes it as attention, L^2; `recurrent` as the recurrence, L steps. `chunked` takes the best of both:
inside chunks of Q places attention, small products of matrices, which processors like; between chunks the state.

Dao & Gu 2024, Transformers are SSMs, sections 3 to 6. Heads H of width P have a decay each and share B and C.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.ssms.duality_gradient import Chunked
from course_lib.ssms.scan import single


def decay_matrix(log_decay: Float[Tensor, "*b l"]) -> Float[Tensor, "*b l l"]:
    """M_ij = exp(log_decay_{j+1} + ... + log_decay_i) for j <= i, else 0: what is left in i of what came in j.

    Each column sums up what comes after its place, so no exponent is above 0. The short way, differences of one
    running sum, loses the digits of a weak decay that follows a strong one; and above the diagonal it would take
    exponentials of what is positive, perhaps infinite, and infinity times 0 is no number.

    Examples
    --------
    >>> decay_matrix(torch.tensor([0.5, 0.5, 0.25]).log())
    tensor([[1.0000, 0.0000, 0.0000],
            [0.5000, 1.0000, 0.0000],
            [0.1250, 0.2500, 1.0000]])
    """
    length = log_decay.shape[-1]
    later = torch.ones(length, length, dtype=torch.bool, device=log_decay.device).tril(-1)
    return log_decay[..., None].masked_fill(~later, 0).cumsum(-2).exp().tril()


def quadratic(
    x: Float[Tensor, "b l h p"], log_decay: Float[Tensor, "b l h"], B: Float[Tensor, "b l n"], C: Float[Tensor, "b l n"]
) -> Float[Tensor, "b l h p"]:
    """As attention: ((C B^T) * M) x, in O(L^2).

    Parameters
    ----------
    x : Tensor, (B, L, H, P)
        Values.
    log_decay : Tensor, (B, L, H), 0 or less
    B, C : Tensor, (B, L, N)
        Keys and queries.
    """
    _check(x, log_decay, B, C, None)
    weights = (C @ B.mT)[:, None] * decay_matrix(log_decay.mT)
    return (weights @ x.transpose(1, 2)).transpose(1, 2)


def recurrent(
    x: Float[Tensor, "b l h p"],
    log_decay: Float[Tensor, "b l h"],
    B: Float[Tensor, "b l n"],
    C: Float[Tensor, "b l n"],
    state: Float[Tensor, "b h p n"] | None = None,
) -> tuple[Float[Tensor, "b l h p"], Float[Tensor, "b h p n"]]:
    """Step by step: y, and the state (B, H, P, N) after the last step."""
    state, y = _check(x, log_decay, B, C, state), []
    for place in zip(*(t.unbind(1) for t in (x, log_decay, B, C))):
        y_k, state = step(*place, state)
        y.append(y_k)
    return torch.stack(y, 1), state


def step(
    x: Float[Tensor, "b h p"],
    log_decay: Float[Tensor, "b h"],
    B: Float[Tensor, "b n"],
    C: Float[Tensor, "b n"],
    state: Float[Tensor, "b h p n"],
) -> tuple[Float[Tensor, "b h p"], Float[Tensor, "b h p n"]]:
    """One place: y, and the state after it."""
    state = log_decay.exp()[..., None, None] * state + x[..., None] * B[:, None, None]
    return (state @ C[:, None, :, None]).squeeze(-1), state


def chunked(
    x: Float[Tensor, "b l h p"],
    log_decay: Float[Tensor, "b l h"],
    B: Float[Tensor, "b l n"],
    C: Float[Tensor, "b l n"],
    chunk: int = 32,
    state: Float[Tensor, "b h p n"] | None = None,
) -> tuple[Float[Tensor, "b l h p"], Float[Tensor, "b h p n"]]:
    """Attention inside chunks, a state between them: O(L Q), all in products of matrices.

    Computed in float32, or in float64 if x is. It has a gradient for all arguments, once: for a second derivative
    take `quadratic` or `recurrent`.

    Parameters
    ----------
    x, log_decay, B, C
        As for `quadratic`; any length from 1.
    chunk : int
        Q. The result does not depend on it.
    state : Tensor, (B, H, P, N), optional
        Before the first place; else 0.

    Returns
    -------
    y : Tensor, (B, L, H, P)
    state : Tensor, (B, H, P, N)
        After the last place.
    """
    state = _check(x, log_decay, B, C, state)
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one place, got {chunk}")
    with torch.autocast(x.device.type, enabled=False):
        y, state = Chunked.apply(*(single(t) for t in (x, log_decay, B, C, state)), min(chunk, x.shape[1]))
    return y.to(x.dtype), state


def _check(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, state: Tensor | None) -> Tensor:
    """The state to begin with."""
    b, length, h, p = x.shape
    if not length or log_decay.shape != (b, length, h) or B.shape != C.shape or B.shape[:2] != (b, length):
        shapes = tuple(log_decay.shape), tuple(B.shape), tuple(C.shape)
        raise ValueError(f"x {tuple(x.shape)}, (B, L, H, P), needs log_decay (B, L, H), B, C (B, L, N), got {shapes}")
    if state is None:
        return single(x.new_zeros(b, h, p, B.shape[2]))
    if state.shape != (b, h, p, B.shape[2]):
        raise ValueError(f"the state is {b, h, p, B.shape[2]}, (B, H, P, N), got {tuple(state.shape)}")
    return state
