"""Five names for one prediction.

x_t = alpha x_0 + sigma eps ties image, noise and mixture together: a network that is given x_t and
predicts any one of them predicts them all. What differs is only where its errors weigh most. We turn
each prediction into x_0 and x_0 into each, so that samplers and guidance need to know one alone.

    eps       the noise                                  Ho et al. 2020
    v         alpha eps - sigma x_0                      Salimans & Ho 2022, appendix D
    velocity  dx_t / dt = alpha' x_0 + sigma' eps        Lipman et al. 2023; (1-t, t): eps - x_0
    score     gradient of log p_t(x_t) = -eps / sigma    Song et al. 2021

Throughout, alpha and sigma come from a schedule and are shaped to multiply x_t (`schedules.at`).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.schedules import Scalar, Schedule, State, at

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> x_0
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> dx/dt


def x0_from_eps(x_t: State, eps: State, alpha: Scalar, sigma: Scalar) -> State:
    """Undo the mixing. At alpha = 0 nothing of the image is left, and the result is infinite."""
    return (x_t - sigma * eps) / alpha


def eps_from_x0(x_t: State, x0: State, alpha: Scalar, sigma: Scalar) -> State:
    """The noise that was mixed in. At sigma = 0 there was none, and the result is infinite or NaN."""
    return (x_t - alpha * x0) / sigma


def v_from_x0(x_t: State, x0: State, alpha: Scalar, sigma: Scalar) -> State:
    """v = alpha eps - sigma x_0, with eps from x_t."""
    return alpha * eps_from_x0(x_t, x0, alpha, sigma) - sigma * x0


def x0_from_v(x_t: State, v: State, alpha: Scalar, sigma: Scalar) -> State:
    """Finite at both ends. For alpha^2 + sigma^2 = 1 this is alpha x_t - sigma v."""
    return (alpha * x_t - sigma * v) / (alpha**2 + sigma**2)


def score_from_x0(x_t: State, x0: State, alpha: Scalar, sigma: Scalar) -> State:
    """Tweedie's formula read backwards: (alpha x_0 - x_t) / sigma^2."""
    return (alpha * x0 - x_t) / sigma**2


def x0_from_score(x_t: State, score: State, alpha: Scalar, sigma: Scalar) -> State:
    """Tweedie's formula: the mean image is (x_t + sigma^2 score) / alpha (Efron 2011)."""
    return (x_t + sigma**2 * score) / alpha


def velocity_from_x0(x_t: State, x0: State, t: Scalar, schedule: Schedule) -> State:
    """alpha' x_0 + sigma' eps: which way x_t moves while image and noise stay as they are."""
    alpha, sigma = at(schedule, t, x_t)
    d_alpha, d_sigma = at(rates(schedule), t, x_t)
    return d_alpha * x0 + d_sigma * eps_from_x0(x_t, x0, alpha, sigma)


def x0_from_velocity(x_t: State, velocity: State, t: Scalar, schedule: Schedule) -> State:
    """Two equations, x_t and dx_t/dt, solved for x_0. For (1 - t, t) this is x_t - t velocity."""
    alpha, sigma = at(schedule, t, x_t)
    d_alpha, d_sigma = at(rates(schedule), t, x_t)
    return (d_sigma * x_t - sigma * velocity) / (d_sigma * alpha - d_alpha * sigma)


def rates(schedule: Schedule) -> Schedule:
    """t -> (alpha', sigma'): the schedule's derivative, by automatic differentiation."""

    def derivative(t: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            t = t.detach().requires_grad_()
            # Each time has its own alpha, so the gradient of their sum is all derivatives at once.
            alpha, sigma = schedule(t)
            return _slope(alpha, t), _slope(sigma, t)

    return derivative


def _slope(values: Tensor, t: Tensor) -> Tensor:
    constant = not values.requires_grad  # as alpha = 1 is in EDM's schedule
    return torch.zeros_like(t) if constant else torch.autograd.grad(values.sum(), t, retain_graph=True)[0]


def denoiser(velocity: Velocity, schedule: Schedule) -> Denoiser:
    """A velocity field as a denoiser."""
    return lambda x, t: x0_from_velocity(x, velocity(x, t), t, schedule)


def velocity(denoise: Denoiser, schedule: Schedule) -> Velocity:
    """A denoiser as a velocity field; not at t = 0, where a clean image no longer shows its noise."""
    return lambda x, t: velocity_from_x0(x, denoise(x, t), t, schedule)


def on_schedule(denoise: Denoiser, trained: Schedule, wanted: Schedule) -> Denoiser:
    """A denoiser trained on one schedule, used on another, without training.

    x_t carries as much information as its ratio sigma / alpha says, whatever its scale. So look up
    the time at which the trained schedule has the same ratio, and rescale (Karras et al. 2022, section 2).
    """

    def moved(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = wanted(t)
        s = time_of_ratio(trained, sigma / alpha)
        alpha_s, sigma_s = at(trained, s, x)
        alpha, sigma = at(wanted, t, x)
        return denoise(x * torch.hypot(alpha_s, sigma_s) / torch.hypot(alpha, sigma), s)

    return moved


def time_of_ratio(schedule: Schedule, ratio: Scalar, halvings: int = 40) -> Scalar:
    """The time t in [0, 1] at which sigma / alpha equals `ratio`, by bisection; the ratio grows with t."""
    # In double precision, so on the CPU, which has it. In float32, cosine's ratio at t = 1 is -2e7 and not infinite.
    wanted = ratio.detach().cpu().double().abs()
    low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
    for _ in range(halvings):
        middle = (low + high) / 2
        alpha, sigma = schedule(middle)
        noisier = sigma > wanted * alpha
        low, high = torch.where(noisier, low, middle), torch.where(noisier, middle, high)
    return ((low + high) / 2).to(ratio)
