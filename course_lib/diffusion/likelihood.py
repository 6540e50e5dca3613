"""How likely does a flow find an image?

Follow the ODE dx/dt = v(x, t) from the image to the noise. A small cloud of points around it grows by the divergence
of v, sum_i dv_i/dx_i, and its density falls by as much; at the end stands a density that we know:

    log p_0(x_0) = log N(x_1; 0, 1) + int_0^1 div v(x_t, t) dt

No bound and no second network. The divergence takes a gradient for each dimension, or one for an estimate without
bias: the mean of e^T J e over probes e of covariance 1 is the trace of the Jacobian J. One probe serves a whole path.

Pixels are stored as levels, and on a finite set of points a density may be as high as it likes. So each level's bin is
filled evenly, and the mean log-density over it bounds the level's log-probability (`dequantised`, `of_levels`).

Chen et al. 2018, Neural Ordinary Differential Equations, eq. 8; Grathwohl et al. 2019, FFJORD, eq. 7; Song et al. 2021,
eq. 39, whose integral is ours: time runs from data to noise in both. Fixed steps rather than a solver that adapts them.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.solvers import Velocity, midpoint, times
from course_lib.model import last

Divergence = Callable[[Velocity, Tensor, Tensor], tuple[Tensor, Tensor]]  # (velocity, x, t) -> v (B, ...), div (B,)

BIN = 2 / 255  # neighbouring levels are so far apart in [-1, 1]


def log_density(velocity: Velocity, x: Tensor, divergence: Divergence, steps: int = 16) -> Tensor:
    """log p_0(x), in nats, of a flow that ends in standard normal noise.

    Parameters
    ----------
    velocity : callable
        (x_t, t) -> dx/dt, each image by itself: it must not see the others of its batch.
    x : Tensor, float, (B, ...)
        Points of data; images are to be `dequantised` first.
    divergence : callable
        `exact`, or `estimated(probe)`.
    steps : int
        Of the midpoint rule, two evaluations and gradients each. They are short near the data, where the field changes
        fastest: on clothes 16 such steps are within 0.01 bits a dimension of 64, and 64 even ones are no nearer.

    Returns
    -------
    Tensor, (B,)

    Raises
    ------
    ValueError
        If x is no batch of finite numbers, or there is no step.

    Examples
    --------
    >>> still = lambda x, t: 0 * x  # what does not move keeps the density of the noise
    >>> log_density(still, torch.zeros(1, 2), exact)
    tensor([-1.8379])
    """
    if x.ndim < 2 or not x.is_floating_point() or not x.isfinite().all():
        raise ValueError(f"x must be a batch (B, ...) of finite floats, got {x.dtype} {tuple(x.shape)}")

    def field(state: Tensor, t: Tensor) -> Tensor:
        v, growth = divergence(velocity, state[:, :-1].reshape(x.shape), t)
        return torch.cat([v.flatten(1), growth[:, None]], dim=1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], dim=1)  # one number more: how far the cloud has grown
    end = last(midpoint(field, start, times(steps, start=0.0, stop=1.0).square()))
    noise, growth = end[:, :-1], end[:, -1]
    return growth - noise.square().sum(dim=1) / 2 - noise.shape[1] / 2 * math.log(2 * math.pi)


def exact(velocity: Velocity, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The velocity and its divergence, with a gradient for each dimension."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x, t)
        # each image moves by itself, so the gradient of a sum over the batch is each image's own
        parts = [_slope(part.sum(), x).flatten(1)[:, i] for i, part in enumerate(v.flatten(1).unbind(1))]
    return v.detach(), torch.stack(parts).sum(dim=0)


def estimated(probe: Tensor) -> Divergence:
    """The velocity and e^T J e, with one gradient (Hutchinson 1990).

    Parameters
    ----------
    probe : Tensor, of x's shape
        e, of mean 0 and covariance 1; signs, as `signs` draws them, have the least variance.
    """

    def divergence(velocity: Velocity, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        if probe.shape != x.shape:
            raise ValueError(f"a probe belongs to each number of x {tuple(x.shape)}, got {tuple(probe.shape)}")
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            v = velocity(x, t)
            slope = _slope((v * probe).sum(), x)
        return v.detach(), (slope * probe).flatten(1).sum(dim=1)

    return divergence


def signs(like: Tensor) -> Tensor:
    """A probe of 1 and -1 at random."""
    return torch.randint_like(like, 2) * 2 - 1


def dequantised(x: Tensor, noise: Tensor) -> Tensor:
    """Images on 256 levels with each level's bin filled evenly (Theis et al. 2016, section 3.1).

    Parameters
    ----------
    x : Tensor, float, (B, C, H, W) in [-1, 1]
        On the levels of stored pixels.
    noise : Tensor, of x's shape, in [0, 1]
        Evenly distributed.
    """
    if noise.shape != x.shape or not ((0 <= noise) & (noise <= 1)).all():
        raise ValueError(f"noise must be {tuple(x.shape)} in [0, 1], one number a pixel, got {tuple(noise.shape)}")
    return x + BIN * (noise - 0.5)


def of_levels(log_density: Tensor, dimensions: int) -> Tensor:
    """A lower bound of log P(levels) in nats, in the mean over the noise, from densities at `dequantised` images.

    By Jensen's inequality log P = log int_bin p >= mean over the bin of log (p times the bin's volume).

    Examples
    --------
    >>> of_levels(torch.tensor(-784 * math.log(2.0)), 784) / (784 * math.log(2))  # even over [-1, 1]: eight bits
    tensor(-7.9944)
    """
    return log_density + dimensions * math.log(BIN)


def _slope(of: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(of, x, retain_graph=True)[0]
