"""A gradient through a random number.

How does the mean of f(z) over z ~ N(mean, variance) change with the mean and the variance? An encoder is
trained by the answer, and the answer has to come from draws. There are two ways to get it:

    reparameterised   move the draw, z = mean + std eps, and ask f for its slope   f'(z) dz/dmean
    score function    keep the draw, and make it more likely if f was large there  f(z) d log q(z)/dmean

The first sees in which direction f rises, the second only how high it is at one point, and has to find the
direction from the differences between points. So its variance is larger, and grows with the number of
dimensions; but it needs no slope, so that f may be a step, a game or a person's choice. Every function here
returns one gradient a draw: the mean is the estimate, the spread is what this is about.

Kingma & Welling 2014, section 2.4; Williams 1992, REINFORCE; Mohamed et al. 2020, Monte Carlo Gradient Estimation.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.vaes.gaussian import reparameterise

Values = Callable[[Tensor], Tensor]  # z (n, D) -> f(z), (n,)
Baseline = Callable[[Tensor], Tensor]  # f(z) (n,) -> what to subtract from each, (n,)


class Gradients(NamedTuple):
    """One gradient a draw, with respect to each parameter of the Gaussian.

    Attributes
    ----------
    mean, log_variance : Tensor, (n, D)
        Their means over the draws estimate the gradient, their variances say how well one draw does.
    """

    mean: Tensor
    log_variance: Tensor


def reparameterised(f: Values, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Gradients:
    """The slope of f where the draw lies, carried back to the parameters (Mohamed et al. 2020, section 5).

    Parameters
    ----------
    f : callable
        z (n, D) -> (n,), each value from its own row alone. It must be continuous: of a step, only the flat
        parts are seen, and the estimate is 0, which is wrong.
    mean, log_variance : Tensor, (D,)
    noise : Tensor, (n, D)
        Standard normal.

    Returns
    -------
    Gradients

    Examples
    --------
    >>> square = lambda z: z.square().sum(-1)
    >>> reparameterised(square, torch.ones(1), torch.zeros(1), torch.tensor([[0.5], [-1.0]])).mean
    tensor([[3.],
            [0.]])
    """
    with torch.enable_grad():
        z = reparameterise(mean, log_variance, noise).detach().requires_grad_()
        values = _values(f, z)
        # Each value has its own draw, so the gradient of their sum is all slopes at once.
        slope = torch.autograd.grad(values.sum(), z)[0] if values.requires_grad else torch.zeros_like(z)
    return Gradients(slope, slope * torch.exp(log_variance / 2) * noise / 2)


def no_baseline(values: Tensor) -> Tensor:
    """Nothing to subtract."""
    return torch.zeros_like(values)


def leave_one_out(values: Tensor) -> Tensor:
    """For each draw the mean value of the others: it does not depend on the draw, so no bias comes in.

    Parameters
    ----------
    values : Tensor, (n,), n >= 2

    Examples
    --------
    >>> leave_one_out(torch.tensor([1.0, 2.0, 6.0]))
    tensor([4.0000, 3.5000, 1.5000])
    """
    if len(values) < 2:
        raise ValueError(f"a draw needs at least one other to be compared with, got {len(values)} draws")
    return (values.sum() - values) / (len(values) - 1)


@torch.no_grad()
def score_function(
    f: Values, mean: Tensor, log_variance: Tensor, noise: Tensor, baseline: Baseline = no_baseline
) -> Gradients:
    """(f(z) - baseline) times the gradient of log q(z) (Williams 1992; Mohamed et al. 2020, section 4).

    A baseline changes no mean, since the gradient of log q averages to 0, but takes away what all values share.

    Parameters
    ----------
    f : callable
        z (n, D) -> (n,); never differentiated.
    mean, log_variance : Tensor, (D,)
    noise : Tensor, (n, D)
        Standard normal.
    baseline : callable
        f(z) (n,) -> (n,); `leave_one_out` or `no_baseline`.

    Returns
    -------
    Gradients
    """
    values = _values(f, reparameterise(mean, log_variance, noise))
    above = (values - baseline(values))[:, None]
    return Gradients(above * noise * torch.exp(-log_variance / 2), above * (noise.square() - 1) / 2)


def _values(f: Values, z: Tensor) -> Tensor:
    if z.ndim != 2:
        raise ValueError(f"noise must be (n, D), one row a draw, for a mean (D,), got {tuple(z.shape)}")
    values = f(z)
    if values.shape != z.shape[:1]:
        raise ValueError(f"f must give one value a draw, ({len(z)},), got {tuple(values.shape)}")
    return values
