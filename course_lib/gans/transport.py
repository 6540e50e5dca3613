"""How much work is it to carry one heap onto another?

The Wasserstein-1 distance is the least mean way that mass must be carried to turn q into p. Unlike the
Jensen-Shannon divergence it says how far apart two densities are even when they do not overlap.

On a line nobody needs to overtake, so the smallest sample goes to the smallest, the next to the next:
one sort. By Kantorovich's duality the same number is the largest E_p f - E_q f over all functions f of
slope at most 1. Such an f is a **critic**: what a Wasserstein GAN (Arjovsky et al. 2017) trains in place
of a discriminator. On a line the best one is known too: f' = sign(F_q - F_p), up where fakes wait on the
left, down where they wait on the right, F being the distribution functions.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Samples = Float[Tensor, "..."]  # (n,), which the doors check
Critic = Callable[[Tensor], Tensor]  # places (M,) -> scores (M,)


def wasserstein(x: Samples, y: Samples) -> Tensor:
    """W1 of two samples of equal size, by sorting: the k-th smallest goes to the k-th smallest.

    Differentiable in both, so a generator on a line could be trained on it without any critic.

    Parameters
    ----------
    x, y : Tensor, (n,)

    Returns
    -------
    Tensor, ()

    Raises
    ------
    ValueError
        If they are not rows of equal length (`quantile_wasserstein` takes any), or are empty.

    Examples
    --------
    >>> wasserstein(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 3.0, 4.0]))
    tensor(3.)
    """
    _rows(x, y)
    if len(x) != len(y):
        raise ValueError(f"sorting pairs {len(x)} with {len(y)} samples: the numbers must be equal")
    return (x.sort().values - y.sort().values).abs().mean()


def quantile_wasserstein(x: Samples, y: Samples) -> Tensor:
    """W1 of samples of any sizes: the area between their quantile functions F_x^-1 and F_y^-1 over [0, 1]."""
    _rows(x, y)
    steps = [torch.arange(1, len(row) + 1, device=x.device, dtype=torch.float64) / len(row) for row in (x, y)]
    upper = torch.cat(steps).sort().values
    lower = torch.cat([upper.new_zeros(1), upper[:-1]])
    middle = (lower + upper) / 2  # strictly inside a step of both functions, unless the step has no width
    at = [row.sort().values[(middle * len(row)).long().clamp_max(len(row) - 1)] for row in (x, y)]
    return ((at[0] - at[1]).abs() * (upper - lower).to(x)).sum()


def optimal_critic(real: Samples, fake: Samples) -> Critic:
    """The f of slope at most 1 that tells the two samples apart best: f' = sign(F_fake - F_real).

    Parameters
    ----------
    real, fake : Tensor, (n,) and (m,)

    Returns
    -------
    callable
        Places (M,) -> scores (M,), piecewise linear, flat beyond all samples, 0 at the leftmost.

    Examples
    --------
    >>> f = optimal_critic(torch.tensor([2.0]), torch.tensor([0.0]))
    >>> f(torch.tensor([0.0, 1.0, 2.0, 9.0]))
    tensor([0., 1., 2., 2.])
    """
    _rows(real, fake)
    knots = torch.cat([real, fake]).sort().values
    below = [(torch.searchsorted(row.sort().values, knots, right=True)).to(knots) / len(row) for row in (real, fake)]
    gaps = knots.diff() * torch.sign(below[1] - below[0])[:-1]
    heights = torch.cat([gaps.new_zeros(1), gaps.cumsum(0)])
    return lambda places: _interpolated(places, knots, heights)


def dual_value(critic: Critic, real: Samples, fake: Samples) -> Tensor:
    """E_real f - E_fake f: for every f of slope at most 1 a lower bound on W1, and W1 itself for the best."""
    _rows(real, fake)
    return critic(real).mean() - critic(fake).mean()


def gaussian_wasserstein(mean_p: float, std_p: float, mean_q: float, std_q: float) -> float:
    """W1 of two Gaussians on a line.

    Their quantiles differ by shift + stretch z for standard normal z, so W1 = E|shift + stretch z|, the
    mean of a folded normal: |mean_p - mean_q| when the widths are equal.

    Examples
    --------
    >>> gaussian_wasserstein(0.0, 1.0, 3.0, 1.0)
    3.0
    """
    if std_p < 0 or std_q < 0:
        raise ValueError(f"standard deviations are 0 or more, got {std_p} and {std_q}")
    shift, stretch = abs(mean_p - mean_q), abs(std_p - std_q)
    if stretch == 0:
        return shift
    ratio = shift / stretch
    return stretch * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2) + shift * math.erf(ratio / math.sqrt(2))


def _interpolated(places: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    if len(knots) == 1:
        return torch.zeros_like(places)
    right = torch.searchsorted(knots, places.detach()).clamp(1, len(knots) - 1)
    width = (knots[right] - knots[right - 1]).clamp_min(torch.finfo(knots.dtype).tiny)
    share = ((places - knots[right - 1]) / width).clamp(0, 1)
    return torch.lerp(heights[right - 1], heights[right], share)


def _rows(x: Tensor, y: Tensor) -> None:
    if x.ndim != 1 or y.ndim != 1 or not len(x) or not len(y):
        raise ValueError(
            f"samples must be two rows of numbers, (n,) and (m,), got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("samples must be finite: a generator that has diverged is at no distance")
