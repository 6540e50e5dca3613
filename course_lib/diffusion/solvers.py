"""From noise to data along a velocity field.

dx/dt = v(x, t), from t = 1 (noise) to t = 0 (data). A solver is a generator: it yields the state at
each of `times` after the first. The order of a solver is the slope of its error against the step
size on logarithmic axes; what counts in practice is the error against the number of evaluations,
because each is one pass of the network.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> dx/dt


def times(steps: int, start: float = 1.0, stop: float = 0.0) -> Tensor:
    """`steps` + 1 evenly spaced times from noise to data.

    Examples
    --------
    >>> times(4)
    tensor([1.0000, 0.7500, 0.5000, 0.2500, 0.0000])
    """
    if steps < 1:
        raise ValueError(f"a sampler needs at least one step, got {steps}")
    return torch.linspace(start, stop, steps + 1)


@torch.no_grad()
def euler(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """First order, one evaluation a step."""
    for t, s in pairwise(_on(x, times)):
        x = x + (s - t) * velocity(x, t)
        yield x


@torch.no_grad()
def midpoint(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Second order, two evaluations a step, none at the ends of the last one."""
    for t, s in pairwise(_on(x, times)):
        half = x + (s - t) / 2 * velocity(x, t)
        x = x + (s - t) * velocity(half, (t + s) / 2)
        yield x


@torch.no_grad()
def heun(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Second order, two evaluations a step: the mean of the slopes at both ends (Karras et al. 2022, algorithm 1)."""
    for t, s in pairwise(_on(x, times)):
        slope = velocity(x, t)
        x = x + (s - t) / 2 * (slope + velocity(x + (s - t) * slope, s))
        yield x


@torch.no_grad()
def adams_bashforth(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Second order for one evaluation a step: the slope is extrapolated from the last two.

    The flow-matching relative of the multistep DPM-Solver++ (Lu et al. 2022).
    """
    before = None
    for t, s in pairwise(_on(x, times)):
        slope = velocity(x, t)
        if before is None:
            x = x + (s - t) * slope
        else:
            ratio = (s - t) / (2 * (t - before[0]))
            x = x + (s - t) * ((1 + ratio) * slope - ratio * before[1])
        before = t, slope
        yield x


def _on(x: Tensor, times: Tensor) -> Tensor:
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"times must be one row of at least two, from noise to data, got shape {tuple(times.shape)}")
    return times.to(x)
