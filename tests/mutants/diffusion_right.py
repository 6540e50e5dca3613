"""Right answers to the exercises of 03_diffusion that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a method of a model there is in `METHODS`.
"""
# ruff: noqa: F811  (several answers to one task have one name)

from collections import deque

import torch
from torch.nn.functional import mse_loss

from course_lib.diffusion import editing, guidance, parametrisation, samplers, schedules, solvers

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("add_noise")
def add_noise(x0, eps, alpha, sigma):
    return torch.einsum("b,bchw->bchw", alpha, x0) + torch.einsum("b,bchw->bchw", sigma, eps)


@right("add_noise")
def add_noise(x0, eps, alpha, sigma):
    return torch.stack([a * image + s * noise for image, noise, a, s in zip(x0, eps, alpha, sigma)])


@right("cosine_schedule")
def cosine_schedule(t):
    half_pi = torch.acos(torch.zeros((), dtype=t.dtype, device=t.device))
    return (half_pi * (1 - t)).sin(), (half_pi * t).sin()


@right("cosine_schedule")
def cosine_schedule(t):
    turned = torch.polar(torch.ones_like(t), torch.pi * t / 2)
    return turned.real, turned.imag


@right("v_prediction")
def v_from_noise(x0, eps, alpha, sigma):
    return torch.mul(eps, alpha).sub(x0.mul(sigma))


@right("v_prediction")
def x0_from_v(x_t, v, alpha, sigma):
    return (alpha * x_t - sigma * v) / (alpha**2 + sigma**2)


@right("x0_from_velocity")
def x0_from_velocity(x_t, velocity, t):
    eps = x_t + (1 - t.view(-1, 1, 1, 1)) * velocity
    return eps - velocity


@right("x0_from_velocity")
def x0_from_velocity(x_t, velocity, t):
    return (x_t.permute(1, 2, 3, 0) - t * velocity.permute(1, 2, 3, 0)).permute(3, 0, 1, 2)


@right("ddim_step")
def ddim_step(x_t, x0, t, s, schedule):
    (alpha_t, sigma_t), (alpha_s, sigma_s) = map(schedule, (t, s))
    ratio = sigma_s / sigma_t
    return ratio * x_t + (alpha_s - ratio * alpha_t) * x0


@right("ddim_step")
def ddim_step(x_t, x0, t, s, schedule):
    alpha, sigma = schedule(torch.stack([t, s]))
    return alpha[1] * x0 + sigma[1] * ((x_t - alpha[0] * x0) / sigma[0])


@right("ddpm_step")
def ddpm_step(x_t, x0, t, s, schedule, z):
    """As a product of Gaussians: the mean's weights of x_t and x_0 (Ho et al. 2020, eq. 7)."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
    ratio = alpha_t / alpha_s
    added = sigma_t**2 - ratio**2 * sigma_s**2
    mean = ratio * sigma_s**2 / sigma_t**2 * x_t + alpha_s * added / sigma_t**2 * x0
    return mean + sigma_s * torch.sqrt(added) / sigma_t * z


@right("ddpm_step")
def ddpm_step(x_t, x0, t, s, schedule, z):
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
    eps = (x_t - alpha_t * x0) / sigma_t
    kept = alpha_t / alpha_s * sigma_s**2 / sigma_t  # the square root of sigma_s^2 - f^2, worked out
    return alpha_s * x0 + kept * eps + torch.sqrt(sigma_s**2 - kept**2) * z


@right("guided")
def guided(conditional, free, scale):
    return lambda x, t: scale * conditional(x, t) + (1 - scale) * free(x, t)


@right("guided")
def guided(conditional, free, scale):
    w = scale - 1  # the paper's
    return lambda x, t: (1 + w) * conditional(x, t) - w * free(x, t)


@right("flow_loss")
def flow_loss(net, x0, eps, t):
    return mse_loss(net(torch.lerp(x0, eps, t.reshape(-1, 1, 1, 1)), t), eps - x0)


@right("flow_loss")
def flow_loss(net, x0, eps, t):
    velocity = eps.sub(x0)
    error = net(x0 + t.view(len(t), 1, 1, 1) * velocity, t) - velocity
    return error.flatten(1).pow(2).mean(1).mean()


@right("heun")
def heun(velocity, x, times):
    states = []
    with torch.no_grad():
        for i in range(len(times) - 1):
            step = times[i + 1] - times[i]
            first = velocity(x, times[i])
            guess = x + step * first
            x = 0.5 * (x + guess + step * velocity(guess, times[i + 1]))
            states.append(x)
    return states


@right("heun")
@torch.no_grad()
def heun(velocity, x, times):
    left = deque(times)
    t = left.popleft()
    while left:
        s = left.popleft()
        slope = velocity(x, t)
        x = x + (s - t) * torch.stack([slope, velocity(x + (s - t) * slope, s)]).mean(0)
        t = s
        yield x


@right("inpainted")
def inpainted(denoise, known, mask):
    def corrected(x, t):
        guess = denoise(x, t).clone()
        guess[..., mask] = known[..., mask]
        return guess

    return corrected


@right("inpainted")
def inpainted(denoise, known, mask):
    return lambda x, t: denoise(x, t).masked_fill(mask, 0) + known.masked_fill(~mask, 0)


@right("meanflow_loss")
def meanflow_loss(average, x0, eps, r, t):
    velocity = eps - x0
    x_t = x0 + t.view(-1, 1, 1, 1) * velocity
    moves = (velocity, r * 0, t * 0 + 1)
    with torch.no_grad():
        _, rate = torch.func.jvp(average, (x_t, r, t), moves)
    return mse_loss(average(x_t, r, t), velocity - (t - r).view(-1, 1, 1, 1) * rate)


@right("meanflow_loss")
def meanflow_loss(average, x0, eps, r, t):
    def along(shift):  # the same derivative by hand: u on the path, as a function of one number
        return average(x_t + shift * v, r, t + shift)

    v = eps - x0
    x_t = eps - (1 - t).view(-1, 1, 1, 1) * v
    u, rate = torch.func.jvp(along, (x0.new_zeros(()),), (x0.new_ones(()),))
    return torch.mean((u + (t - r).view(-1, 1, 1, 1) * rate.detach() - v.detach()) ** 2)


def _paired(alpha, sigma):
    return lambda t: (alpha, sigma)  # a schedule that has already been asked


def _ddpm_step(x_t, x0, t, s, schedule, z):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(x_t.shape, generator=generator.clone_state())
    x_s = next(samplers.ddpm(lambda x, t: x0, x_t, schedule, torch.stack([t, s]), generator))
    return x_s + samplers.posterior_std(schedule, t, s) * (z - drawn)  # the library draws its own noise


LIBRARY = {
    "add_noise": lambda x0, eps, alpha, sigma: schedules.add_noise(x0, eps, alpha, _paired(alpha, sigma)),
    "cosine_schedule": schedules.cosine,
    "v_from_noise": lambda x0, eps, alpha, sigma: parametrisation.v_from_x0(alpha * x0 + sigma * eps, x0, alpha, sigma),
    "x0_from_v": parametrisation.x0_from_v,
    "x0_from_velocity": lambda x_t, velocity, t: parametrisation.x0_from_velocity(x_t, velocity, t, schedules.flow),
    "ddim_step": lambda x_t, x0, t, s, schedule: next(
        samplers.ddim(lambda x, t: x0, x_t, schedule, torch.stack([t, s]))
    ),
    "ddpm_step": _ddpm_step,
    "guided": guidance.guided,
    "heun": solvers.heun,
    "inpainted": lambda denoise, known, mask: editing.conditioned(
        denoise, torch.where(mask, known, 0), editing.masking(mask), schedules.flow
    ),
}

METHODS = ("flow_loss", "meanflow_loss")
