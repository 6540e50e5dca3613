"""Right answers to the exercises of 06_applications that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a part of something larger there is named in
`METHODS`, and compared in tests/library/test_applications_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import math

import torch
from torch.nn.functional import (
    avg_pool2d,
    binary_cross_entropy_with_logits,
    interpolate,
    l1_loss,
    logsigmoid,
    mse_loss,
    pad,
)

from course_lib import metrics
from course_lib.applications import augmentation, superresolution
from course_lib.applications import bridge as bridges
from course_lib.diffusion.editing import downscaling

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("pix2pix")
def discriminator_loss(score, x0, fake, y):
    real, false = score(x0, y), score(fake.detach(), y)
    return -(logsigmoid(real) + logsigmoid(-false)).mean()


@right("pix2pix")
def discriminator_loss(score, x0, fake, y):
    """As a classifier's cross entropy; the fakes are made anew, without a past."""
    with torch.no_grad():
        made = fake * 1.0
    real, false = score(x0, y), score(made, y)
    return binary_cross_entropy_with_logits(real, torch.ones_like(real)) + binary_cross_entropy_with_logits(
        false, torch.zeros_like(false)
    )


@right("pix2pix")
def generator_loss(score, x0, fake, y, weight):
    return weight * l1_loss(fake, x0) - logsigmoid(score(fake, y)).mean()


@right("pix2pix")
def generator_loss(score, x0, fake, y, weight):
    """Sums over their numbers."""
    f = score(fake, y)
    fooled = torch.logaddexp(torch.zeros_like(f), -f).sum() / f.numel()
    return fooled + weight / fake.numel() * torch.sum(torch.abs(x0 - fake))


@right("bridge")
def bridge(x0, y, t, eps, spread):
    t = t.view(-1, 1, 1, 1)
    return torch.lerp(x0, y, t) + spread * torch.sqrt(t - t**2) * eps


@right("bridge")
def bridge(x0, y, t, eps, spread):
    """Image by image."""
    rows = [(1 - s) * a + s * b + spread * math.sqrt(s * (1 - s)) * e for a, b, e, s in zip(x0, y, eps, t.tolist())]
    return torch.stack(rows)


@right("bridge")
def bridge_step(x_t, x0, t, s, z, spread):
    noise = spread * torch.sqrt(s - s * s / t)
    return x0 + (x_t - x0) * (s / t) + noise * z


@right("bridge")
def bridge_step(x_t, x0, t, s, z, spread):
    """By Bayes: the precisions of what stands before and behind."""
    behind, before = 1 / (t - s), 1 / s.clamp(min=1e-20)
    mean = (behind * x_t + before * x0) / (behind + before)
    return mean + spread / torch.sqrt(behind + before) * z


@right("cycle_loss")
def cycle_loss(there, back, x, y, weight, identity):
    fake_x, fake_y = back(y), there(x)
    cycle = l1_loss(back(fake_y), x) + l1_loss(there(fake_x), y)
    return weight * cycle + weight * identity * (l1_loss(there(y), y) + l1_loss(back(x), x))


@right("cycle_loss")
def cycle_loss(there, back, x, y, weight, identity):
    """One kind after the other."""
    total = 0
    for own, other, image in ((back, there, x), (there, back, y)):
        total = total + torch.mean(torch.abs(own(other(image)) - image))
        total = total + identity * torch.mean(torch.abs(own(image) - image))
    return total * weight


@right("attacked")
def psnr(x, y):
    return -10 * ((x - y) / 2).flatten(1).square().mean(1).log10()


@right("attacked")
def psnr(x, y):
    """By the root of the error."""
    error = torch.stack([mse_loss(a, b) for a, b in zip(x, y)]).sqrt()
    return 20 * (math.log10(2) - torch.log10(error))


@right("attacked")
@torch.no_grad()
def attacked(there, back, x, eps, strengths):
    y = there(x)
    found = torch.zeros(len(strengths))
    for i, strength in enumerate(strengths):
        found[i] = torch.mean(psnr(back(y + strength * eps), x))
    return found


@right("attacked")
def attacked(there, back, x, eps, strengths):
    """All strengths as one large batch."""
    with torch.no_grad():
        y = (there(x) + strengths.view(-1, 1, 1, 1, 1) * eps).flatten(0, 1)
        return psnr(back(y), x.repeat(len(strengths), 1, 1, 1)).view(len(strengths), -1).mean(1)


@right("back_projection")
def downscaled(x, factor):
    return avg_pool2d(x, factor)


@right("back_projection")
def downscaled(x, factor):
    """The sum of the pixels at each place of a block."""
    parts = [x[:, :, i::factor, j::factor] for i in range(factor) for j in range(factor)]
    return sum(parts) / factor**2


@right("back_projection")
def back_projected(x, low, factor):
    return x - interpolate(downscaled(x, factor), scale_factor=factor) + interpolate(low, scale_factor=factor)


@right("back_projection")
def back_projected(x, low, factor):
    """By products with the pattern of a block."""
    missing = low - downscaled(x, factor)
    return x + torch.kron(missing, torch.ones(factor, factor))


@right("distortions")
def distortions(x0, draws):
    """By the identity: the error of a draw is that of the mean and the draws' variance around it."""
    one = ((draws - x0[None]) ** 2).mean((1, 2, 3, 4)).mean()
    spread = draws.var(dim=0, correction=1).mean()
    return one, one - spread


@right("distortions")
def distortions(x0, draws):
    """By pairs: the product of the errors of two different draws has no bias."""
    k, errors = len(draws), (draws - x0).flatten(1)
    products = errors @ errors.T / errors.shape[1]
    return products.trace() / k, (products.sum() - products.trace()) / (k * (k - 1))


@right("rebuilding_error")
@torch.no_grad()
def rebuilding_error(denoise, x, t, eps):
    total = torch.zeros_like(x[:, 0])
    for noise in eps:
        x_t = torch.lerp(x, noise.expand_as(x), t)
        total += (x - denoise(x_t, t)).pow(2).mean(dim=1)
    return total / len(eps)


@right("rebuilding_error")
def rebuilding_error(denoise, x, t, eps):
    """All at once."""
    with torch.no_grad():
        x_t = ((1 - t) * x + t * eps[:, None]).flatten(0, 1)
        off = (denoise(x_t, t) - x.repeat(len(eps), 1, 1, 1)) ** 2
        return off.unflatten(0, (len(eps), len(x))).mean((0, 2))


@right("auroc")
def auroc(scores, labels):
    """Pair by pair."""
    gap = scores[labels].unsqueeze(1) - scores[~labels].unsqueeze(0)
    return ((gap.sign() + 1) / 2).double().mean().item()


@right("auroc")
def auroc(scores, labels):
    """The area under the curve of hits against false alarms, by trapezoids."""
    limits = scores.unique().flip(0)
    hits = torch.stack([(scores[labels] >= limit).double().mean() for limit in limits])
    alarms = torch.stack([(scores[~labels] >= limit).double().mean() for limit in limits])
    return torch.trapezoid(pad(hits, (1, 0)), pad(alarms, (1, 0))).item()


@right("auroc")
def auroc(scores, labels):
    """By places among the sorted normal ones, from both sides."""
    normal, odd = scores[~labels].sort().values, scores[labels]
    below = torch.searchsorted(normal, odd) + torch.searchsorted(normal, odd, right=True)
    return float(below.sum()) / (2 * len(normal) * len(odd))


@right("region_overlap")
def region_overlap(maps, regions, threshold):
    """One region after the other."""
    marked = ~(maps < threshold)
    shares = [marked[regions == j].double().mean() for j in range(1, int(regions.max()) + 1)]
    return torch.stack(shares).mean().item(), marked[regions == 0].double().mean().item()


@right("region_overlap")
def region_overlap(maps, regions, threshold):
    """Each pixel weighs one over the size of its region."""
    flat, marked = regions.flatten(), (maps.flatten() >= threshold)
    weight = 1 / flat.bincount()[flat].double()
    faulty = flat > 0
    return float((weight * marked)[faulty].sum() / flat.max()), float((weight * marked)[~faulty].sum())


@right("augmented")
def augmented(x, flip, move):
    """Image by image, from a picture with a wide border."""
    out = []
    for image, turn, (down, along) in zip(x, flip.tolist(), move.tolist()):
        h, w = image.shape[1:]
        image = image.flip(-1) if turn else image
        rows, columns = (torch.arange(h) - down).clamp(0, h - 1), (torch.arange(w) - along).clamp(0, w - 1)
        out.append(image.index_select(1, rows).index_select(2, columns))
    return torch.stack(out)


@right("augmented")
def augmented(x, flip, move):
    """By one index for all three axes; a mirrored column is counted from the right."""
    b, _, h, w = x.shape
    rows = torch.arange(h)[None] - move[:, 0, None]
    columns = torch.arange(w)[None] - move[:, 1, None]
    rows, columns = rows.clamp(min=0, max=h - 1), columns.clamp(min=0, max=w - 1)
    columns = torch.where(flip[:, None], w - 1 - columns, columns)
    picked = x.permute(0, 2, 3, 1)[torch.arange(b).view(b, 1, 1), rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


@right("paired_interval")
def paired_interval(ours, baseline, quantile):
    gains = (ours - baseline).double()
    return gains.mean().item(), (quantile * (gains.var() / gains.numel()).sqrt()).item()


@right("paired_interval")
def paired_interval(ours, baseline, quantile):
    """In plain numbers."""
    gains = [a - b for a, b in zip(ours.tolist(), baseline.tolist())]
    mean = sum(gains) / len(gains)
    squares = sum((gain - mean) ** 2 for gain in gains)
    return mean, quantile * math.sqrt(squares / (len(gains) - 1) / len(gains))


def _back_projected(x, low, factor):
    return superresolution.consistent(x, downscaling(factor).pseudo_inverse(low), factor)


LIBRARY = {
    "bridge": lambda x0, y, t, eps, spread: bridges.between(x0, y, t[:, None, None, None], spread, eps),
    "psnr": metrics.psnr,
    "downscaled": lambda x, factor: downscaling(factor).forward(x),
    "back_projected": _back_projected,
    "auroc": metrics.auroc,
    "augmented": lambda x, flip, move: augmentation.moved(x, move.T, flip),
}

METHODS = (
    "discriminator_loss",
    "generator_loss",
    "bridge_step",
    "cycle_loss",
    "attacked",
    "distortions",
    "rebuilding_error",
    "region_overlap",
    "paired_interval",
)
