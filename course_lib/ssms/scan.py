"""h_k = a_k h_{k-1} + b_k for all k at once, where a_k changes from step to step.

A step is the pair (a, b), the map h -> a h + b. Two steps make a step again, and it does not matter which two are
put together first: `combine` is associative. Therefore all prefixes can be formed in log2 L passes (`doubling`;
Hillis & Steele 1986), each over the whole sequence, rather than in L steps over one place each.

Two short forms are found in the wild, each a closed formula and each wrong on a computer. They stand below so
that one can see them fail: `by_ratios` divides by a product that becomes 0, `by_logs` takes logarithms of sums
whose terms nearly cancel.

Blelloch 1990, Prefix Sums and Their Applications, section 1.4; Heinsen 2023 for the form in logarithms.
"""

import torch
from jaxtyping import Inexact
from torch import Tensor

Step = tuple[Tensor, Tensor]


def combine(first: Step, second: Step) -> Step:
    """One step that does what `first` and then `second` do.

    Examples
    --------
    >>> combine((torch.tensor(2.0), torch.tensor(1.0)), (torch.tensor(3.0), torch.tensor(5.0)))
    (tensor(6.), tensor(8.))
    """
    (a1, b1), (a2, b2) = first, second
    return a2 * a1, a2 * b1 + b2


def loop(
    a: Inexact[Tensor, "b l *s"], b: Inexact[Tensor, "b l *s"], state: Inexact[Tensor, "b ..."] | None = None
) -> Inexact[Tensor, "b l *s"]:
    """Step by step: the definition.

    Parameters
    ----------
    a, b : Tensor, (B, L, ...)
        Of one shape, at least one step long.
    state : Tensor, (B, ...), optional
        h before the first step; else 0.

    Returns
    -------
    h : Tensor, (B, L, ...)
        After each step.
    """
    _check(a, b, state)
    h, states = torch.zeros_like(b[:, 0]) if state is None else state, []
    for a_k, b_k in zip(a.unbind(1), b.unbind(1)):  # a[:, k] would make backward quadratic in L
        h = a_k * h + b_k
        states.append(h)
    return torch.stack(states, 1)


def doubling(
    a: Inexact[Tensor, "b l *s"], b: Inexact[Tensor, "b l *s"], state: Inexact[Tensor, "b ..."] | None = None
) -> Inexact[Tensor, "b l *s"]:
    """In log2 L passes: each place combines with the one 1, then 2, then 4, ... before it; parameters as for `loop`."""
    _check(a, b, state)
    if state is not None:
        b = torch.cat([b[:, :1] + a[:, :1] * state[:, None], b[:, 1:]], 1)
    reach = 1
    while reach < a.shape[1]:
        a_far, b_far = combine((a[:, :-reach], b[:, :-reach]), (a[:, reach:], b[:, reach:]))
        a, b = torch.cat([a[:, :reach], a_far], 1), torch.cat([b[:, :reach], b_far], 1)
        reach *= 2
    return b


def by_ratios(a: Inexact[Tensor, "b l *s"], b: Inexact[Tensor, "b l *s"]) -> Inexact[Tensor, "b l *s"]:
    """h_k = p_k sum_j b_j / p_j with p_k = a_0 ... a_k. Fails: p underflows, and 0 times infinity is no number."""
    _check(a, b, None)
    p = a.cumprod(1)
    return p * (b / p).cumsum(1)


def by_logs(a: Inexact[Tensor, "b l *s"], b: Inexact[Tensor, "b l *s"]) -> Inexact[Tensor, "b l *s"]:
    """The same with log p and log-sum-exp, which cannot overflow. Fails by losing digits: a > 0 only.

    A negative b_j needs a complex logarithm; the sums of log a grow with L, and what is rounded off them is
    relative to the sum, not to the short stretch between j and k that h_k depends on.
    """
    _check(a, b, None)
    log_p = a.log().cumsum(1)
    terms = torch.complex(b, torch.zeros_like(b)).log() - log_p
    return torch.exp(log_p + terms.logcumsumexp(1)).real


def single(t: Tensor) -> Tensor:
    """In float32, or float64 if it is: scans add up too many numbers for less."""
    return t if t.dtype == torch.float64 else t.float()


def _check(a: Tensor, b: Tensor, state: Tensor | None) -> None:
    if a.shape != b.shape or a.ndim < 2 or not a.shape[1]:
        raise ValueError(f"need a and b of one shape (B, L, ...), L at least 1, got {tuple(a.shape)}, {tuple(b.shape)}")
    if state is not None and state.shape != b[:, 0].shape:
        raise ValueError(f"the state before {tuple(b.shape)} is {tuple(b[:, 0].shape)}, got {tuple(state.shape)}")
