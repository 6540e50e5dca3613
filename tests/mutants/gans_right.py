"""Right answers to the exercises of 01_gans that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a part of something larger there is in
`METHODS`, and compared in tests/library/test_gans_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import math

import torch
from torch.distributions import Normal
from torch.func import jacfwd, vmap
from torch.nn.functional import binary_cross_entropy_with_logits, embedding, l1_loss, logsigmoid, one_hot, softplus

from course_lib.data.points import Mixture
from course_lib.gans import dirac, games, latent, optimal, penalties, points, transport

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("optimal_discriminator")
def optimal_discriminator(log_p, log_q):
    return 1 / (1 + torch.exp(log_q - log_p))


@right("optimal_discriminator")
def optimal_discriminator(log_p, log_q):
    return torch.exp(log_p - torch.logaddexp(log_p, log_q))


@right("optimal_discriminator")
def optimal_discriminator(log_p, log_q):
    return torch.softmax(torch.stack([log_p, log_q]), 0)[0]


@right("gan_losses")
def discriminator_loss(real, fake):
    seen = binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return seen + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


@right("gan_losses")
def discriminator_loss(real, fake):
    return -(logsigmoid(real).mean() + logsigmoid(-fake).mean())


@right("gan_losses")
def generator_loss(fake):
    return torch.logaddexp(-fake, fake.new_zeros(())).sum() / len(fake)


@right("wasserstein")
def wasserstein(x, y):
    return l1_loss(x.sort()[0], y.sort()[0])


@right("wasserstein")
def wasserstein(x, y):
    """The area between the distribution functions."""
    places = torch.cat([x, y])
    order = places.argsort()
    step = torch.cat([torch.ones_like(x), -torch.ones_like(y)]) / len(x)
    return (step[order].cumsum(0)[:-1].abs() * places[order].diff()).sum()


@right("dirac")
def dirac_field(state, gamma):
    """By differentiation of the losses as they stand in the text."""
    theta, psi = state[0].clone().requires_grad_(), state[1].clone().requires_grad_()
    (forward,) = torch.autograd.grad(softplus(-psi * theta), theta)
    (back,) = torch.autograd.grad(softplus(psi * theta) + gamma / 2 * psi**2, psi)
    return torch.cat([-forward[None], -back[None]])


@right("dirac")
def dirac_field(state, gamma):
    theta, psi = state[0], state[1]
    grown = torch.exp(theta * psi)
    return torch.stack([psi, -theta * grown]) / (1 + grown) - gamma * torch.stack([0 * psi, psi])


@right("dirac")
def eigenvalues(dynamics, state):
    matrix = torch.autograd.functional.jacobian(dynamics, state)
    half, root = matrix.trace() / 2, torch.sqrt((matrix.trace() ** 2 / 4 - matrix.det()).to(torch.complex64))
    return torch.stack([half + root, half - root])


@right("dirac")
def eigenvalues(dynamics, state):
    return torch.linalg.eig(jacfwd(dynamics)(state)).eigenvalues


@right("r1_penalty")
def r1_penalty(discriminator, x, gamma):
    mine = x.clone().detach()
    mine.requires_grad = True
    scores = discriminator(mine)
    slope = torch.autograd.grad(scores, mine, torch.ones_like(scores), create_graph=True)[0]
    return 0.5 * gamma * torch.einsum("bchw,bchw->b", slope, slope).mean()


@right("r1_penalty")
def r1_penalty(discriminator, x, gamma):
    slopes = vmap(torch.func.grad(lambda one: discriminator(one[None])[0]))(x)
    return gamma * slopes.pow(2).sum() / (2 * len(x))


@right("unit_slope_penalty")
def unit_slope_penalty(critic, real, fake, share):
    x = torch.lerp(real, fake, share.view(-1, 1, 1, 1)).requires_grad_()
    slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
    return ((slope.pow(2).sum((1, 2, 3)).sqrt() - 1) ** 2).mean()


@right("unit_slope_penalty")
def unit_slope_penalty(critic, real, fake, share):
    def slope(x, y, s):
        return torch.func.grad(lambda one: critic(one[None])[0])(x + s * (y - x)).norm()

    return (1 - vmap(slope)(real, fake, share)).square().sum() / len(share)


@right("relativistic_loss")
def relativistic_loss(high, low):
    return -logsigmoid(high - low).mean()


@right("relativistic_loss")
def relativistic_loss(high, low):
    return torch.stack([softplus(b - a) for a, b in zip(high, low)]).mean()


@right("adversarial_step")
def adversarial_step(players, optimizers, losses, real, noise):
    discriminator, generator = players
    with torch.no_grad():
        fake = generator(noise)
    found = []
    for optimizer, loss, drawn in zip(optimizers, losses, (lambda: fake, lambda: generator(noise))):
        value = loss(discriminator, real, drawn())
        for player in optimizers:
            player.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        found.append(value.detach())
    return tuple(found)


@right("adversarial_step")
def adversarial_step(players, optimizers, losses, real, noise):
    discriminator, generator = players
    drawn = generator(noise)
    optimizers[0].zero_grad()
    first = losses[0](discriminator, real, drawn.detach())
    first.backward()
    optimizers[0].step()
    discriminator.requires_grad_(False)  # the generator's turn costs less without the discriminator's gradients
    optimizers[1].zero_grad()
    second = losses[1](discriminator, real, drawn)
    second.backward()
    optimizers[1].step()
    discriminator.requires_grad_(True)
    return first.clone().detach(), second.clone().detach()


@right("coverage")
def coverage(samples, means, std):
    squared = (samples[:, None] - means).square().sum(2)
    good = squared.amin(1).sqrt() < 3 * std
    hits = one_hot(squared.argmin(1), len(means))[good].sum(0)
    return int((hits * len(means) >= 0.1 * len(samples)).sum()), float(good.sum() / len(samples))


@right("coverage")
def coverage(samples, means, std):
    distance, mode = torch.cdist(samples, means).min(dim=1)
    good, found = distance / std < 3, 0
    for k in range(len(means)):
        found += int((good & (mode == k)).sum() >= len(samples) / len(means) / 10)
    return found, good.double().mean().item()


@right("projection_score")
def projection_score(features, y, w, v):
    return features @ w + torch.einsum("bd,bd->b", features, embedding(y, v))


@right("projection_score")
def projection_score(features, y, w, v):
    return (features @ (w + v).T).gather(1, y[:, None])[:, 0]


@right("ema_update")
@torch.no_grad()
def ema_update(average, weights, decay):
    for name, old in average.items():
        if old.dtype.is_floating_point:
            old.mul_(decay).add_(weights[name], alpha=1 - decay)
        else:
            old[...] = weights[name]


@right("ema_update")
def ema_update(average, weights, decay):
    for name in average:
        new = weights[name].detach()
        average[name].copy_(decay * average[name] + (1 - decay) * new if new.is_floating_point() else new)


@right("latents")
def slerp(a, b, t):
    """The part of b that is at right angles to a, and a turn from a towards it; the norm goes along."""
    size_a, size_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / size_a, b / size_b
    cosine = (unit_a * unit_b).sum(1, keepdim=True)
    angle = torch.atan2((unit_b - cosine * unit_a).norm(dim=1, keepdim=True), cosine)
    return ((1 - t) * angle).sin() / angle.sin() * size_a * unit_a + (t * angle).sin() / angle.sin() * size_b * unit_b


@right("latents")
def slerp(a, b, t):
    rows = []
    for x, y in zip(a, b):
        angle = math.acos(float(x @ y / (x.norm() * y.norm())))
        rows.append(x * (math.sin(angle - t * angle) / math.sin(angle)) + y * (math.sin(t * angle) / math.sin(angle)))
    return torch.stack(rows)


@right("latents")
def truncated(noise, limit):
    normal = Normal(noise.new_zeros(()), noise.new_ones(()))
    least, most = normal.cdf(noise.new_tensor([-limit, limit]))
    return normal.icdf(least + normal.cdf(noise) * (most - least)).clamp(-limit, limit)


def _optimal_discriminator(log_p, log_q):
    larger = torch.maximum(log_p, log_q).flatten()  # the library takes densities, along a line
    p, q = (log_p.flatten() - larger).exp(), (log_q.flatten() - larger).exp()
    return optimal.optimal_discriminator(p, q).reshape(log_p.shape)


def _labelled(discriminator):
    return lambda x, y: discriminator(x)  # the library's discriminators are told labels


LIBRARY = {
    "optimal_discriminator": _optimal_discriminator,
    "discriminator_loss": games.cross_entropy,
    "generator_loss": lambda fake: games.fooling(fake, fake),
    "wasserstein": transport.wasserstein,
    "dirac_field": lambda state, gamma: dirac.field(games.nonsaturating, gamma)(state[None])[0],
    "eigenvalues": lambda dynamics, state: dirac.eigenvalues(lambda s: dynamics(s[0])[None], state).to(torch.complex64),
    "r1_penalty": lambda d, x, gamma: gamma / 2 * penalties.real_side(_labelled(d), x, x, x.new_zeros(len(x))),
    "relativistic_loss": games.ranking,
    "coverage": lambda samples, means, std: tuple(points.coverage(samples, Mixture(means, std))),
    "slerp": latent.slerp,
    "truncated": latent.truncated,
}

METHODS = ("unit_slope_penalty", "adversarial_step", "projection_score", "ema_update")
