"""A state space model that its input steers (Mamba): what to take in and what to forget depends on what is read.

    h_k = exp(dt_k A) h_{k-1} + dt_k B_k u_k        y_k = C_k h_k

The step dt and the directions B and C are functions of the input. No kernel fits all places any more, so there is
no convolution; what remains is the recurrence, of L steps, each too small to keep a processor busy.

`selective_scan` cuts the sequence into K chunks of Q ~ sqrt(L) steps. All chunks take their q-th step at once, so
there are Q large steps and not L small ones. Each chunk begins with what the one before leaves, which is not known
yet; but the recurrence is linear, so three short loops do it:

    1. run every chunk from 0, to see what it adds;
    2. go over the K chunks: what one hands on is what it adds plus what it was given times exp(A sum dt);
    3. run every chunk again from its true beginning, and read y off.

No exponent is above 0, so nothing can overflow. Of the states, N times as large as the input, only those between
chunks are kept; backward, in `selective_gradient`, computes the others anew. Long sequences go through in pieces,
one after the other, so that backward holds the states of one piece at a time.

Gu & Dao 2023, Mamba, section 3 (D and the gate belong to the block around it).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.ssms.scan import single
from course_lib.ssms.selective_gradient import SelectiveScan

PIECE, SHORTEST = 2**21, 32  # numbers in the states of a piece, and its steps
Result = tuple[Float[Tensor, "b l w"], Float[Tensor, "b w n"]]


def selective_scan(
    u: Float[Tensor, "b l w"],
    dt: Float[Tensor, "b l w"],
    A: Float[Tensor, "w n"],
    B: Float[Tensor, "b l n"],
    C: Float[Tensor, "b l n"],
    state: Float[Tensor, "b w n"] | None = None,
) -> Result:
    """The selective recurrence for all places, fast and in little memory.

    Computed in float32, or in float64 if u is; half precision is for what stands around it. It has a gradient for
    all arguments, once: for a second derivative take `selective_loop`.

    Parameters
    ----------
    u : Tensor, (B, L, W)
        The input, of any length from 1.
    dt : Tensor, (B, L, W), 0 or more
        Step sizes; 0 leaves the state as it is.
    A : Tensor, (W, N), 0 or less
        Eigenvalues, N a channel.
    B, C : Tensor, (B, L, N)
        Where the input goes in the state, and where the output is read.
    state : Tensor, (B, W, N), optional
        Before the first step, from the part of the sequence that came before; else 0.

    Returns
    -------
    y : Tensor, (B, L, W), of u's dtype
    state : Tensor, (B, W, N)
        After the last step.

    Raises
    ------
    ValueError
        If shapes do not belong together.

    Examples
    --------
    >>> one = torch.ones(1, 3, 1)
    >>> selective_scan(one, one, -torch.log(torch.tensor([[2.0]])), one, one)[0].flatten()  # each time half remains
    tensor([1.0000, 1.5000, 1.7500])
    """
    state, y = _checked(u, dt, A, B, C, state), []
    size = max(SHORTEST, PIECE // state.numel())
    with torch.autocast(u.device.type, enabled=False):
        A, state = single(A), single(state)
        for u_p, dt_p, B_p, C_p in zip(*(single(t).split(size, 1) for t in (u, dt, B, C))):
            y_p, state = SelectiveScan.apply(u_p, dt_p, A, B_p, C_p, state)
            y.append(y_p)
    return torch.cat(y, 1).to(u.dtype), state


def selective_loop(
    u: Float[Tensor, "b l w"],
    dt: Float[Tensor, "b l w"],
    A: Float[Tensor, "w n"],
    B: Float[Tensor, "b l n"],
    C: Float[Tensor, "b l n"],
    state: Float[Tensor, "b w n"] | None = None,
) -> Result:
    """The same, step by step: the definition."""
    state, y = _checked(u, dt, A, B, C, state), []
    for u_k, dt_k, B_k, C_k in zip(u.unbind(1), dt.unbind(1), B.unbind(1), C.unbind(1)):
        y_k, state = selective_step(u_k, dt_k, A, B_k, C_k, state)
        y.append(y_k)
    return torch.stack(y, 1), state


def selective_step(
    u: Float[Tensor, "b w"],
    dt: Float[Tensor, "b w"],
    A: Float[Tensor, "w n"],
    B: Float[Tensor, "b n"],
    C: Float[Tensor, "b n"],
    state: Float[Tensor, "b w n"],
) -> tuple[Float[Tensor, "b w"], Float[Tensor, "b w n"]]:
    """One place: y, and the state after it; the price does not depend on how many places came before."""
    state = torch.exp(dt[..., None] * A) * state + (dt * u)[..., None] * B[:, None]
    return (state * C[:, None]).sum(-1).to(u.dtype), state


def _checked(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None) -> Tensor:
    """The state to begin with."""
    b, length, width = u.shape
    if A.ndim != 2 or not length:
        raise ValueError(f"need at least one step and A (W, N), got u {tuple(u.shape)} and A {tuple(A.shape)}")
    n = A.shape[1]
    if dt.shape != u.shape or len(A) != width or not B.shape == C.shape == (b, length, n):
        shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in zip(("dt", "A", "B", "C"), (dt, A, B, C)))
        raise ValueError(f"u {tuple(u.shape)} needs dt like it, A (W, N) and B, C (B, L, N), got {shapes}")
    if state is None:
        return single(u.new_zeros(b, width, n))
    if state.shape != (b, width, n):
        raise ValueError(f"the state is {b, width, n}, (B, W, N), got {tuple(state.shape)}")
    return state
