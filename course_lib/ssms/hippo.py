"""What should a state of N numbers keep of a signal? Its best polynomial.

HiPPO-LegS keeps, at each time t, the N coefficients of the polynomial that is nearest to the signal on all of
[0, t], every moment weighing the same. As t grows the past is squeezed together, never forgotten. The
coefficients obey a linear equation of their own,

    t c'(t) = A c(t) + B x(t)

with matrices that can be written down. In the time log t nothing in it changes any more, so that samples, held for
a step each, are taken in exactly (`discretise.zoh`, a step of log (k + 1) / k). S4D keeps only eigenvalues:
`lin` and `inv` are the two spectra that imitate those of the full matrix.

Gu et al. 2020, HiPPO, theorem 2; Gu et al. 2022, On the Parameterization and Initialization of Diagonal SSMs.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from course_lib.ssms.discretise import zoh


def legs(states: int) -> tuple[Float[Tensor, "n n"], Float[Tensor, " n"]]:
    """A and B of LegS (Gu et al. 2020, eq. 6, with their minus sign inside A), in double precision.

    Parameters
    ----------
    states : int
        N, at least 1: the polynomial's degree is N - 1.

    Examples
    --------
    >>> legs(2)[0]
    tensor([[-1.0000,  0.0000],
            [-1.7321, -2.0000]], dtype=torch.float64)
    """
    if states < 1:
        raise ValueError(f"a memory needs at least one state, got {states}")
    B = (2 * torch.arange(states, dtype=torch.float64) + 1).sqrt()
    return (-torch.outer(B, B)).tril(-1) - torch.arange(1.0, states + 1, dtype=torch.float64).diag(), B


def legendre(places: Float[Tensor, " l"], states: int) -> Float[Tensor, "l n"]:
    """Legendre's polynomials on [0, 1], scaled so that the mean square of each is 1; by their recurrence.

    Parameters
    ----------
    places : Tensor, (L,), in [0, 1]
        0 is the beginning, 1 is now.
    states : int
        N: degrees 0 ... N - 1.
    """
    x = 2 * places - 1
    values = [torch.ones_like(x), x]
    for n in range(1, states - 1):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return torch.stack(values[:states], 1) * (2 * torch.arange(states).to(places) + 1).sqrt()


def memory(x: Float[Tensor, "*b l"], states: int) -> Float[Tensor, "*b l n"]:
    """The coefficients after each sample, each held until the next: (..., L) -> (..., L, N), exactly, in float64.

    After the first sample all the past is that one value, and the polynomial is the constant.
    """
    if not x.shape[-1]:
        raise ValueError("nothing to remember: the signal needs at least one sample")
    A, B = legs(states)
    first, *later = x.double().unbind(-1)
    c = torch.zeros(*x.shape[:-1], states, dtype=torch.float64)
    c[..., 0] = first
    kept = [c]
    for k, x_k in enumerate(later, start=1):
        A_bar, B_bar = zoh(A, B, math.log((k + 1) / k))
        kept.append(kept[-1] @ A_bar.T + x_k[..., None] * B_bar)
    return torch.stack(kept, -2)


def reconstruct(c: Float[Tensor, "*b n"], places: Float[Tensor, " l"]) -> Float[Tensor, "*b l"]:
    """The polynomial with coefficients c at places in [0, 1] of the past, 1 being now."""
    return c @ legendre(places.to(c), c.shape[-1]).T


def lin(states: int) -> Complex[Tensor, " n"]:
    """S4D-Lin: -1/2 + i pi n, one of each pair of conjugates, so states / 2 of them: a Fourier series that fades."""
    return torch.complex(torch.full((_pairs(states),), -0.5), math.pi * torch.arange(states // 2))


def inv(states: int) -> Complex[Tensor, " n"]:
    """S4D-Inv: -1/2 + i N/pi (N / (2n + 1) - 1): frequencies spaced as those of LegS are; states / 2 of them."""
    frequencies = states / math.pi * (states / (2 * torch.arange(_pairs(states)) + 1) - 1)
    return torch.complex(torch.full_like(frequencies, -0.5), frequencies)


def _pairs(states: int) -> int:
    if states < 2 or states % 2:
        raise ValueError(f"eigenvalues come as pairs of conjugates: the number of states must be even, got {states}")
    return states // 2
