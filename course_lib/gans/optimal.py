"""What does the best discriminator know, and what does it tell the generator?

On a line all of it can be computed. Let the data have density p and the generator's samples density q.
The discriminator that maximises the value of the game,

    V(D) = E_p log D + E_q log(1 - D),

is D* = p / (p + q) at each point by itself; there V = 2 JS(p, q) - log 4, which is least, -log 4, where
p = q and D* = 1/2 (Goodfellow et al. 2014, proposition 1 and theorem 1). But the Jensen-Shannon divergence
of two densities that do not overlap is log 2, however far apart they are: it does not say which way to
go. What a sample feels of D* is `pull`; Arjovsky & Bottou 2017 worked out where it vanishes.

Densities are values on a grid x, and integrals are sums by the trapezoidal rule.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.gans.games import Payoff

Line = Float[Tensor, " m"]  # one value at each place of the grid

MASS = 1e-3  # of a density may lie off the grid


def log_normal(x: Line, mean: float, std: float) -> Line:
    """Logarithm of a Gaussian density: far out the density itself is 0 in floating point, its logarithm is not.

    Examples
    --------
    >>> round(log_normal(torch.zeros(1), 0.0, 1.0).exp().item(), 4)
    0.3989
    """
    if std <= 0:
        raise ValueError(f"std must be above 0, got {std}: a density of no width has no values")
    return -((x - mean) / std).square() / 2 - math.log(std * math.sqrt(2 * math.pi))


def optimal_discriminator(p: Line, q: Line) -> Line:
    """D* = p / (p + q), the probability that a point which was seen here is real (Goodfellow et al. 2014, eq. 2).

    Where neither density has anything, every D is as good; we say 1/2.

    Parameters
    ----------
    p, q : Tensor, (M,), 0 or more
        Densities of the data and of the samples.

    Returns
    -------
    Tensor, (M,) in [0, 1]

    Examples
    --------
    >>> optimal_discriminator(torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 0.5, 0.0]))
    tensor([1.0000, 0.5000, 0.5000])
    """
    _same(p=p, q=q)
    if (p < 0).any() or (q < 0).any():
        raise ValueError("densities must be 0 or more; were these their logarithms?")
    return torch.where(p + q > 0, p / (p + q).clamp_min(torch.finfo(p.dtype).tiny), 0.5)


def value(d: Line, p: Line, q: Line, x: Line) -> Tensor:
    """V(D) = E_p log D + E_q log(1 - D), which D maximises and the generator minimises (Goodfellow et al. 2014, eq. 1).

    Parameters
    ----------
    d : Tensor, (M,) in [0, 1]
        Any discriminator.
    p, q, x : Tensor, (M,)
        Densities and the grid.

    Returns
    -------
    Tensor, ()
        At most 2 JS(p, q) - log 4, the value of D*.

    Raises
    ------
    ValueError
        If shapes differ, a density has part of its mass off the grid, or D is no probability.
    """
    _same(d=d, p=p, q=q, x=x)
    if (d < 0).any() or (d > 1).any():
        raise ValueError(f"D must be probabilities in [0, 1], got {d.min():.3g} to {d.max():.3g}: were these logits?")
    _whole(p, x), _whole(q, x)
    least = torch.finfo(d.dtype).eps  # a D nearer to 0 or 1 has lost its digits: it is not sure, only rounded
    return torch.trapezoid(p * d.clamp_min(least).log() + q * (1 - d).clamp_min(least).log(), x)


def jensen_shannon(p: Line, q: Line, x: Line) -> Tensor:
    """JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2: from 0 (equal) to log 2 (no overlap), in nats."""
    middle = (p + q) / 2
    return (kullback_leibler(p, middle, x) + kullback_leibler(q, middle, x)) / 2


def kullback_leibler(p: Line, q: Line, x: Line) -> Tensor:
    """KL(p, q) = E_p log p / q in nats; infinite where q has nothing and p has something.

    Raises
    ------
    ValueError
        If shapes differ, or a density has part of its mass off the grid.
    """
    _same(p=p, q=q, x=x)
    _whole(p, x), _whole(q, x)
    return torch.trapezoid(torch.xlogy(p, p) - torch.xlogy(p, q), x)


def pull(payoff: Payoff, log_p: Line, log_q: Line, x: Line) -> Tensor:
    """The mean force that D* exerts on a sample, in the direction of growing x.

    The generator's loss is a function of the score of D*, its logit log p - log q. Minus its gradient at a
    sample is what moves the sample, and so a generator that shifts all of them: -E_q d/dx loss(logit(x)).

    Parameters
    ----------
    payoff : callable
        What the generator pays for the scores of its samples: `games.saturating` or `games.fooling`.
    log_p, log_q, x : Tensor, (M,)
        Logarithms of the densities, and the grid.

    Returns
    -------
    Tensor, ()
        For `saturating`, minus the gradient of 2 JS (which is V's); for `fooling`, minus that of
        KL(q, p) - 2 JS (Arjovsky & Bottou 2017, theorem 2.5).
    """
    _same(log_p=log_p, log_q=log_q, x=x)
    _whole(log_p.exp(), x), _whole(log_q.exp(), x)
    logit = log_p - log_q
    (slope,) = torch.gradient(logit, spacing=(x,), edge_order=2)
    by_score = len(x) * torch.func.grad(payoff, argnums=1)(logit, logit)  # a payoff is a mean over its scores
    return -torch.trapezoid(log_q.exp() * by_score * slope, x)


def _same(**rows: Tensor) -> None:
    shapes = {name: tuple(row.shape) for name, row in rows.items()}
    if len(set(shapes.values())) != 1 or next(iter(rows.values())).ndim != 1:
        raise ValueError(f"all must be values on one grid (M,), got {shapes}")


def _whole(density: Tensor, x: Tensor) -> None:
    if (x.diff() <= 0).any():
        raise ValueError("the grid x must rise from left to right")
    if abs(mass := torch.trapezoid(density, x).item()) < 1 - MASS or mass > 1 + MASS:
        raise ValueError(f"a density must integrate to 1 over the grid, got {mass:.4g}: widen the grid or refine it")
