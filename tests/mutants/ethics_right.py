"""Right answers to the exercises of 07_ethics that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is done there in other units, with fixed choices or as a
part of something larger is in `METHODS`, and is compared in tests/library/test_ethics_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import math

import torch

from course_lib.ethics import fairness, memorisation, tree_ring
from course_lib.ethics import tournament as tournaments

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("wilson")
def wilson(count, total, z):
    """By the number of pictures with z^2 more, half of which count."""
    more = total + z * z
    middle = (count + z * z / 2) / more
    half = z / more * (count * (total - count) / total + z * z / 4).sqrt()
    return middle - half, middle + half


@right("wilson")
def wilson(count, total, z):
    """The roots of the quadratic equation, in double precision."""
    n, k = total.double(), count.double()
    a, b, c = 1 + z**2 / n, 2 * k / n + z**2 / n, (k / n) ** 2
    root = torch.sqrt((b**2 - 4 * a * c).clamp(min=0))
    return ((b - root) / (2 * a)).float(), ((b + root) / (2 * a)).float()


@right("wilson")
def wilson(count, total, z):
    """Group by group, in plain numbers."""
    ends = []
    for k, n in zip(count.tolist(), total.tolist()):
        p, s = k / n, z * z / n
        half = z * math.sqrt(p * (1 - p) / n + s / (4 * n))
        ends.append(((p + s / 2 - half) / (1 + s), (p + s / 2 + half) / (1 + s)))
    low, high = zip(*ends)
    return torch.tensor(low), torch.tensor(high)


@right("true_shares")
def true_shares(read, confusion):
    """By the inverse, with s as a row."""
    rates = confusion.double() / confusion.double().sum(dim=1)[:, None]
    return ((read.double() / read.sum()) @ torch.linalg.inv(rates)).float()


@right("true_shares")
def true_shares(read, confusion):
    """Counts first; least squares, which are exact here."""
    rates = torch.stack([row / row.sum() for row in confusion.float()], dim=1)
    counts = torch.linalg.lstsq(rates, read.float()[:, None]).solution[:, 0]
    return counts / read.sum()


@right("amplification")
def amplification(data, drawn):
    """Class by class, in plain numbers."""
    total = 0.0
    for before, after in zip(data.tolist(), drawn.tolist()):
        for b, a in zip(before, after):
            if b * len(before) > sum(before):
                total += a / sum(after) - b / sum(before)
    return torch.tensor(total / len(data))


@right("amplification")
def amplification(data, drawn):
    """Zeros in the place of what does not count."""
    rows = data.sum(dim=1, keepdim=True)
    gain = drawn / drawn.sum(dim=1, keepdim=True) - data / rows
    return torch.where(data * data.shape[1] > rows, gain, torch.zeros_like(gain)).sum(dim=1).mean()


@right("fair_weights")
def fair_weights(attribute, label):
    """Picture by picture: all pairs of pictures are compared."""
    same_a, same_y = attribute[:, None] == attribute, label[:, None] == label
    both = (same_a & same_y).sum(1)
    return same_a.sum(1) * same_y.sum(1) / (both * len(label))


@right("fair_weights")
def fair_weights(attribute, label):
    """By the frequency of the attribute given the label."""
    table = torch.zeros(int(attribute.max()) + 1, int(label.max()) + 1)
    table.index_put_((attribute, label), torch.ones(len(label)), accumulate=True)
    given = table[attribute, label] / table.sum(0)[label]
    return table.sum(1)[attribute] / len(attribute) / given


@right("fair_weights")
def fair_weights(attribute, label):
    """By one number for each pair."""
    labels = int(label.max()) + 1
    pair = attribute * labels + label
    share = torch.bincount(pair).double() / len(pair)
    of_a, of_y = (torch.bincount(part).double() / len(part) for part in (attribute, label))
    return (of_a[attribute] * of_y[label] / share[pair]).float()


@right("radial_spectrum")
def radial_spectrum(x):
    """With the plane shifted, and sums and counts by index."""
    size = x.shape[-1]
    power = torch.fft.fftshift(torch.fft.fft2(x).abs() ** 2 / size**2, dim=(2, 3)).mean(1).mean(0)
    u = torch.arange(size) - size // 2
    ring = torch.sqrt((u[:, None] ** 2 + u[None] ** 2).float()).round().long().flatten()
    sums = torch.zeros(int(ring.max()) + 1).index_add(0, ring, power.flatten())
    return (sums / torch.bincount(ring))[: size // 2 + 1]


@right("radial_spectrum")
def radial_spectrum(x):
    """Cosine and sine by matrices, and one mask a ring as weights."""
    size = x.shape[-1]
    phase = 2 * math.pi * torch.outer(torch.arange(size), torch.arange(size)) / size
    wave = torch.exp(-1j * phase)
    plane = torch.einsum("ui,ncij,vj->ncuv", wave, x.to(wave.dtype), wave) / size
    power = plane.real.square() + plane.imag.square()
    u = torch.minimum(torch.arange(size), size - torch.arange(size))  # a sign does not change a radius
    radius = torch.hypot(u[:, None].float(), u[None].float()).round()
    rings = (radius == torch.arange(size // 2 + 1)[:, None, None]).float()
    return torch.einsum("ncuv,ruv->r", power, rings) / rings.sum((1, 2)) / (x.shape[0] * x.shape[1])


@right("radial_spectrum")
def radial_spectrum(x):
    """By half of the plane: what the other half would repeat counts twice."""
    size = x.shape[-1]
    power = torch.fft.rfft2(x, norm="ortho").abs().pow(2).mean(dim=[0, 1])
    twice = torch.full((size // 2 + 1,), 2.0)
    twice[0] = 1
    if size % 2 == 0:
        twice[-1] = 1
    down = torch.fft.fftfreq(size, d=1 / size)
    radius = (down[:, None] ** 2 + torch.arange(size // 2 + 1) ** 2).sqrt().round()
    weights = [(radius == r) * twice for r in range(size // 2 + 1)]
    return torch.stack([(power * w).sum() / w.sum() for w in weights])


@right("tpr_at_fpr")
def tpr_at_fpr(negatives, positives, fpr):
    """By the largest k + 1."""
    threshold = negatives.topk(math.floor(fpr * len(negatives)) + 1).values[-1]
    return threshold, (positives > threshold).sum() / len(positives)


@right("tpr_at_fpr")
def tpr_at_fpr(negatives, positives, fpr):
    """The least of the scores that few enough negatives exceed."""
    above = (negatives > negatives[:, None]).sum(1)
    threshold = negatives[above <= int(fpr * len(negatives))].min()
    return threshold, 1 - (positives <= threshold).double().mean().float()


@right("tournament")
def tournament(p, g):
    """A token with a 1 wins against all with a 0, one with a 0 against none."""
    for bits in g:
        ones = torch.einsum("bv,bv->b", p, bits)[:, None]
        p = torch.where(bits > 0, p * (2 - ones), p * (1 - ones))
    return p


@right("tournament")
def tournament(p, g):
    """By all pairs of candidates."""
    for bits in g.unbind(0):
        wins = (1 + bits.unsqueeze(2) - bits.unsqueeze(1)) / 2
        p = 2 * p * torch.bmm(wins, p.unsqueeze(2)).squeeze(2)
    return p


@right("tournament")
def tournament(p, g):
    """From the last layer to the first, by calling itself."""
    if len(g) == 0:
        return p
    before = tournament(p, g[:-1])
    return before + before * (g[-1] - (before * g[-1]).sum(dim=1)[:, None])


@right("noise_mark")
def mark(noise, patterns, key):
    """What lies across the patterns, and the key along them."""
    flat, waves = noise.flatten(1), patterns.flatten(1)
    across = flat - flat @ waves.T @ waves
    return (across + key @ waves).view_as(noise)


@right("noise_mark")
def mark(noise, patterns, key):
    """Pattern by pattern: they do not disturb each other."""
    for wave, number in zip(patterns, key):
        noise = noise + (number - (noise * wave).sum(dim=(1, 2)))[:, None, None] * wave
    return noise


@right("noise_mark")
def p_value(noise, patterns, key):
    found = (noise[:, None] * patterns).sum(dim=(2, 3))
    score = torch.nn.functional.cosine_similarity(found, key.expand_as(found)) * key.norm()
    return 0.5 * torch.erfc(score * 0.5**0.5)


@right("noise_mark")
def p_value(noise, patterns, key):
    """By the logarithm of the normal distribution, in double precision."""
    found = torch.tensordot(noise.double(), patterns.double(), dims=([1, 2], [1, 2]))
    score = (found * key).sum(1) / found.square().sum(1).sqrt()
    return torch.special.log_ndtr(-score).exp().float()


@right("exposure")
def exposure(canaries, references):
    """By a search in the sorted losses."""
    better = torch.searchsorted(references.sort().values, canaries, right=True)
    return torch.log2((len(references) + 1) / (better + 1))


@right("exposure")
def exposure(canaries, references):
    """Canary by canary, in plain numbers."""
    ranks = [1 + sum(other <= own for other in references.tolist()) for own in canaries.tolist()]
    return torch.tensor([math.log2((len(references) + 1) / rank) for rank in ranks])


@right("membership")
@torch.no_grad()
def membership(velocity, x, times, noises):
    total = torch.zeros(x.shape[0])
    for i in range(len(times)):
        eps = noises[i].unsqueeze(0).expand_as(x)
        x_t = torch.lerp(x, eps, times[i])
        total -= torch.nn.functional.mse_loss(velocity(x_t, times[i]), eps - x, reduction="none").mean((1, 2, 3))
    return total / len(times)


@right("membership")
def membership(velocity, x, times, noises):
    """With a detached result, picture by picture at the end."""
    off = [velocity(x + t * (z - x), t).detach() - (z - x).detach() for t, z in zip(times, noises)]
    squares = torch.stack(off, dim=1).square()
    return torch.stack([-picture.mean() for picture in squares])


@right("footprint")
def footprint(seconds, watts, idle, pue, intensity):
    """Step by step, in plain numbers."""
    joules = 0.0
    for i in range(1, len(seconds)):
        joules += (0.5 * float(watts[i] + watts[i - 1]) - idle) * float(seconds[i] - seconds[i - 1])
    kwh = joules / 1000 / 3600 * pue
    return torch.tensor(joules), torch.tensor(kwh * intensity)


@right("footprint")
def footprint(seconds, watts, idle, pue, intensity):
    """The whole area, less what idling would have taken."""
    whole = ((watts[1:] + watts[:-1]) * seconds.diff()).sum() / 2
    joules = whole - idle * (seconds[-1] - seconds[0])
    return joules, pue * intensity * joules / 3_600_000


@right("footprint")
def footprint(seconds, watts, idle, pue, intensity):
    """Each reading stands for half of the time to both sides; float32 is enough once the clock starts at 0."""
    steps = (seconds - seconds[0]).float().diff()
    zero = torch.zeros(1)
    share = (torch.cat([zero, steps]) + torch.cat([steps, zero])) / 2
    joules = ((watts.float() - idle) * share).sum()
    return joules, joules * (pue * intensity / 3.6e6)


def _mark(noise, patterns, key):
    return tree_ring.embed(noise[:, None], patterns, key)[:, 0]


def _p_value(noise, patterns, key):
    return tree_ring.p_value(tree_ring.score(tree_ring.coefficients(noise[:, None], patterns), key))


LIBRARY = {
    "fair_weights": lambda attribute, label: fairness.reweighted(label, attribute),
    "tournament": lambda p, g: tournaments.tournament(p, g.transpose(0, 1).bool()),
    "mark": _mark,
    "p_value": _p_value,
    "exposure": memorisation.exposure,
}

METHODS = ("wilson", "true_shares", "amplification", "radial_spectrum", "tpr_at_fpr", "membership", "footprint")
