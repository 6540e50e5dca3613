"""From noise to data with a denoiser.

A sampler is a generator over (denoise, x, schedule, times): `denoise(x_t, t)` returns the mean
image given x_t, `times` falls from near 1 (noise) to 0 (data), and each step yields the next state.
There is no model class inside, no progress bar and no callback; whoever wants those has the loop.

All steps have one form. Guess the image, infer the noise, and mix both again for the next time:

    x_s = alpha_s x_0 + sqrt(sigma_s^2 - fresh^2) eps + fresh z,    z ~ N(0, 1)

DDIM takes fresh = 0, DDPM takes the variance of the true reverse step.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from course_lib.diffusion.parametrisation import Denoiser, eps_from_x0
from course_lib.diffusion.schedules import Schedule, log_snr


@torch.no_grad()
def ddim(denoise: Denoiser, x: Tensor, schedule: Schedule, times: Tensor) -> Iterator[Tensor]:
    """Deterministic: the same noise gives the same image (Song et al. 2021, DDIM, eq. 12 with sigma = 0).

    On the straight line (1 - t, t) this is Euler's method.

    Parameters
    ----------
    denoise : callable
        (x_t, t) -> x_0.
    x : Tensor, (B, ...)
        Noise, scaled by the schedule's sigma at times[0].
    schedule : callable
        t -> (alpha, sigma).
    times : Tensor, (steps + 1,)
        Falling, from the noise's time to 0.

    Yields
    ------
    Tensor, (B, ...)
        The state at each of times[1:].
    """
    for t, s in _pairs(x, times):
        x0 = denoise(x, t)
        x = _mix(x0, eps_from_x0(x, x0, *schedule(t)), schedule(s))
        yield x


@torch.no_grad()
def ddpm(
    denoise: Denoiser, x: Tensor, schedule: Schedule, times: Tensor, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Ancestral sampling: each step draws from the reverse posterior q(x_s | x_t, x_0) (Ho et al. 2020, eqs. 6-7).

    Takes the same arguments as `ddim`, and the generator of its noise.
    """
    for t, s in _pairs(x, times):
        x0 = denoise(x, t)
        fresh = posterior_std(schedule, t, s)
        alpha, sigma = schedule(s)
        kept = (sigma**2 - fresh**2).clamp(min=0).sqrt()
        z = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        x = _mix(x0, eps_from_x0(x, x0, *schedule(t)), (alpha, kept)) + fresh * z
        yield x


@torch.no_grad()
def dpm_solver(denoise: Denoiser, x: Tensor, schedule: Schedule, times: Tensor) -> Iterator[Tensor]:
    """DPM-Solver++(2M): DDIM whose image is extrapolated from the last two guesses (Lu et al. 2022, algorithm 2).

    Second order at one evaluation a step. In half the logarithmic signal-to-noise ratio,
    lambda = log(alpha / sigma), DDIM is exact for a constant guess and this for one on a line. The first
    and last step are DDIM's, since lambda is infinite at the ends.
    """
    before = None
    for t, s in _pairs(x, times):
        x0 = denoise(x, t)
        guess = x0
        if before is not None and _lambda(schedule, s).isfinite():
            ahead, behind = _lambda(schedule, s) - _lambda(schedule, t), _lambda(schedule, t) - before[0]
            guess = x0 + ahead / (2 * behind) * (x0 - before[1])  # behind may be infinite: then x0 alone
        before = _lambda(schedule, t), x0
        x = _mix(guess, eps_from_x0(x, guess, *schedule(t)), schedule(s))
        yield x


def posterior_std(schedule: Schedule, t: Tensor, s: Tensor) -> Tensor:
    """Standard deviation of x_s given x_t and x_0, for s < t (Ho et al. 2020, eq. 7, for any schedule)."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
    # sigma_t^2 = (alpha_t / alpha_s)^2 sigma_s^2 + step^2: what the forward step from s to t adds.
    step = (sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2).clamp(min=0).sqrt()
    return sigma_s * step / sigma_t


def _mix(x0: Tensor, eps: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    alpha, sigma = weights
    return alpha * x0 + sigma * eps


def _lambda(schedule: Schedule, t: Tensor) -> Tensor:
    return log_snr(schedule, t) / 2


def _pairs(x: Tensor, times: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"times must be one row of at least two, got shape {tuple(times.shape)}")
    if not (times.diff() < 0).all():
        raise ValueError("times must fall, from noise (1) to data (0)")
    return pairwise(times.to(x))
