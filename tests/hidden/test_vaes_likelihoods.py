"""Hidden points of 02_vaes, continued: what is likely, and what a latent is worth (see test_vaes.py)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4), (5, 3, 2)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value, which must be differentiable; 0 for what it does not depend on."""
    require(value.requires_grad, "no gradient passes through your function: detach nothing")
    return torch.autograd.grad((value * weight).sum(), of, materialize_grads=True)


class Cloud:
    """Points (20, 5) about a random mean, which vary by known amounts along random directions.

    Whitened noise has the covariance 1 exactly, so that the reference needs no eigenvalues of its own.
    """

    def __init__(self, rng: torch.Generator) -> None:
        low, step = between(rng, 0.2, 0.4), between(rng, 0.5, 1, 4)
        self.values = torch.cat([low[None], low + step.cumsum(0)]).double()  # the smallest first, well apart
        noise = normal(rng, 20, 5).double()
        white = torch.linalg.qr(noise - noise.mean(0))[0] * math.sqrt(20)
        self.vectors = torch.linalg.qr(normal(rng, 5, 5).double())[0]
        self.x = (white * self.values.sqrt() @ self.vectors.T + normal(rng, 5).double()).float()

    def along(self, lengths: Tensor) -> Tensor:
        """The sum of u u^T over the directions, each times a number."""
        return ((self.vectors * lengths) @ self.vectors.T).float()


@task("linear_vae")
@pytest.mark.parametrize("latent", [2, 3])
def test_noise_variance(student, rng, latent):
    """Random points whose variances are known."""
    cloud = Cloud(rng)
    left, kept = cloud.values[:-latent], cloud.values[-latent:]
    wrong = {
        "take the mean of the eigenvalues that are left out, not their sum": left.sum(),
        "this is the mean of the eigenvalues that are kept": kept.mean(),
        "the largest are kept, and they stand last": cloud.values[latent:].mean(),
        "these are too few of the smallest eigenvalues": cloud.values[:latent].mean(),
        "this is the mean of all eigenvalues": cloud.values.mean(),
        "likelihood wants the covariance with 1 / N": left.mean() * 20 / 19,
        "do not take the root": left.mean().sqrt(),
        "this is the smallest eigenvalue": left[0],
        "this is the largest eigenvalue that is left out": left[-1],
        "a covariance is about the mean": torch.linalg.eigvalsh(cloud.x.T @ cloud.x / 20)[:-latent].mean(),
    }
    wrong = {hint: value.float() for hint, value in wrong.items()}
    expect(student.noise_variance(cloud.x, latent), left.mean().float(), wrong, atol=1e-4)


@task("linear_vae")
@pytest.mark.parametrize("collapsed", [0, 2])
def test_decoder_weight(student, rng, collapsed):
    """Random points, and noise below all directions that are kept, or above some of them."""
    cloud = Cloud(rng)
    s = float(cloud.values[1 + collapsed : 3 + collapsed].mean())
    kept = torch.arange(5) >= 2  # three latents
    over = (cloud.values - s).clamp(min=0) * kept
    roots = (cloud.values.sqrt() - math.sqrt(s)).clamp(min=0)
    weight = student.decoder_weight(cloud.x, 3, s)
    require(isinstance(weight, Tensor) and weight.shape == (5, 3), "W must be a tensor (D, latent)")
    wrong = {
        "the noise explains its part already: subtract it": cloud.along(cloud.values * kept),
        "a column's length is the root of what it explains": cloud.along(over.square()),
        "subtract s before the root, not after it": cloud.along(roots.square() * kept),
        "these are directions of least variance": cloud.along((cloud.values - s).clamp(min=0) * kept.flip(0)),
        "the columns have length 1: stretch them": cloud.along(1.0 * kept),
        "likelihood wants the covariance with 1 / N": cloud.along((cloud.values * 20 / 19 - s).clamp(min=0) * kept),
        "clamp at 0 instead of the absolute value": cloud.along((cloud.values - s).abs() * kept),
        "what varies less than the noise is worth nothing: clamp at 0 before the root": torch.full((5, 5), torch.nan),
    }
    expect(weight @ weight.T, cloud.along(over), wrong, atol=1e-3)


@task("free_bits")
def test_free_bits(student, rng):
    """Random divergences about the floor: value and gradients."""
    floor, share = float(between(rng, 0.4, 0.6)), torch.tensor([0.2, 0.5, 1.5, 2.0])
    kl = (floor * share * between(rng, 0.2, 1.8, 4, 4)).requires_grad_()
    mean = kl.mean(0)
    wrong = {
        "the mean over images comes first, then the maximum": kl.clamp(min=floor).mean(0).sum(),
        "the floor belongs to each dimension, not to their sum": mean.sum().clamp(min=4 * floor),
        "the floor belongs to each dimension, not to the total": mean.sum().clamp(min=floor),
        "this is the minimum": mean.clamp(max=floor).sum(),
        "the floor is paid, not given away": (mean - floor).relu().sum(),
        "the floor is no surcharge": (mean + floor).sum(),
        "sum over the dimensions": mean.clamp(min=floor).mean(),
        "take the mean over images, not the sum": kl.sum(0).clamp(min=floor).sum(),
        "the mean runs over the images, axis 0": kl.mean(1).clamp(min=floor).sum(),
    }
    want = mean.clamp(min=floor).sum()
    got = student.free_bits(kl, floor)
    expect(got, want, wrong)
    expect(gradients(got, torch.ones(()), kl), ((mean.detach() > floor).float().expand(4, 4) / 4,))


@task("importance")
@shapes
def test_log_weights(student, rng, shape):
    """Random draws from random Gaussians."""
    k, images, latents = shape
    mean, log_variance = normal(rng, images, latents), between(rng, 0.5, 1.5, images, latents)
    z = mean + log_variance.mul(0.5).exp() * normal(rng, *shape)
    seen = between(rng, -30, -20, k, images)
    far, variance = (z - mean).square(), log_variance.exp()

    def total(log_p: Tensor, log_q: Tensor) -> Tensor:
        return seen + (log_p - log_q).sum(-1)

    prior, encoder = -z.square() / 2, -(far / variance + log_variance) / 2
    right = total(prior, encoder)
    wrong = {
        "log q is subtracted": total(prior, -encoder),
        "the prior log p(z) is missing": total(0 * prior, encoder),
        "log q(z|x) is missing": total(prior, 0 * encoder),
        "the sign of the prior is turned": total(-prior, encoder),
        "log q needs - log_variance / 2": total(prior, -far / variance / 2),
        "divide by the variance, not by its root": total(prior, -(far / variance.sqrt() + log_variance) / 2),
        "q is asked about its mean": total(prior, -(z.square() / variance + log_variance) / 2),
        "the halves are missing": total(2 * prior, 2 * encoder),
        "sum over the latents instead of averaging": seen + (prior - encoder).mean(-1),
    }
    expect(student.log_weights(seen, z, mean, log_variance), right, wrong, atol=1e-4)


@task("importance")
@shapes
def test_iwae(student, rng, shape):
    """Random log-weights, near and far from 0: value and gradients."""
    k, images, _ = shape
    near = normal(rng, k, images)
    for log_w, rounding in ((near.clone(), 1e-5), (3 * near - 2000, 2e-3)):
        log_w.requires_grad_()
        top = log_w.detach().amax(0)
        right = (log_w - top).exp().mean(0).log() + top
        wrong = {
            "subtract log k": right + math.log(k),
            "subtract log k, the number of draws": right + math.log(k) - math.log(images),
            "this is the ELBO: the logarithm comes after the mean": log_w.mean(0),
            "the mean runs over the draws, axis 0": torch.logsumexp(log_w, 1) - math.log(images),
            "one bound an image": right.mean(),
            "take the logarithm": right.exp(),
            "this is the largest weight": top,
            "e^-2000 is 0 in float32: use torch.logsumexp": torch.full((images,), -torch.inf),
        }
        got = student.iwae(log_w)
        expect(got, right, wrong, atol=1e-4)
        weight = normal(rng, images)
        expect(gradients(got, weight, log_w), (weight * log_w.detach().softmax(0),), atol=rounding)


def logistic(x: Tensor, mean: Tensor, log_scale: Tensor, half: float = 1 / 255) -> tuple[Tensor, Tensor, Tensor]:
    """In float64: log-masses of the bins as if each had two ends, as if it were black, and as if it were white."""
    low, high = ((x + side - mean) * torch.exp(-log_scale) for side in (-half, half))
    black, white = logsigmoid(high), logsigmoid(-low)
    return black + white + torch.log(-torch.expm1(low - high)), black, white


def at_ends(x: Tensor, inside: Tensor, black: Tensor, white: Tensor) -> Tensor:
    return torch.where(x < -0.999, black, torch.where(x > 0.999, white, inside)).float()


def pixels(rng: torch.Generator) -> Tensor:
    """Levels (2, 1, 4, 4), of which the first is black and the last white."""
    levels = torch.randint(30, 226, (2, 1, 4, 4), generator=rng, device="cpu")
    levels[0, 0, 0, 0], levels[1, 0, 3, 3] = 0, 255
    return levels / 127.5 - 1


@task("pixel_log_likelihood")
def test_pixels_near(student, rng):
    """Random levels, black and white among them, near the means of wide distributions."""
    x = pixels(rng)
    mean, log_scale = x + between(rng, -0.5, 0.5, *x.shape), between(rng, -1.5, -0.5, *x.shape)
    exact = x.double(), mean.double(), log_scale.double()
    inside, black, white = logistic(*exact)
    right = at_ends(x, inside, black, white)
    slope = -log_scale + logsigmoid((x - mean) / log_scale.exp()) + logsigmoid((mean - x) / log_scale.exp())
    wrong = {
        "black and white reach to infinity": inside.float(),
        "white reaches to infinity": at_ends(x, inside, black, inside),
        "black reaches to infinity": at_ends(x, inside, inside, white),
        "black and white have changed places": at_ends(x, inside, white, black),
        "a bin reaches 1/255 to either side: together 2/255": at_ends(x, *logistic(*exact, half=2 / 255)),
        "a bin reaches 1/255 to either side, not 1/510": at_ends(x, *logistic(*exact, half=1 / 510)),
        "divide by exp(log_scale)": at_ends(x, *logistic(*exact[:2], -exact[2])),
        "the distances must be divided by the scale": at_ends(x, *logistic(*exact[:2], 0 * exact[2])),
        "this is a density": slope,
        "take the logarithm": right.exp(),
        "the sign is turned": -right,
        "this counts in bits": right / math.log(2),
    }
    expect(student.pixel_log_likelihood(x, mean, log_scale), right, wrong, atol=5e-4)


@task("pixel_log_likelihood")
def test_pixels_far(student, rng):
    """Random levels far from the means of narrow distributions: values and gradients."""
    x = pixels(rng)
    mean, log_scale = -x.sign() * between(rng, 0.3, 0.6, *x.shape), between(rng, -6.5, -5.5, *x.shape)
    exact = [part.double().requires_grad_() for part in (mean, log_scale)]
    right = at_ends(x, *logistic(x.double(), *exact))
    rounded = "the difference of the two sigmoids has rounded to 0"
    floors = [1e-7, 1e-8, 1e-10, 1e-12, 1e-20, 1e-30]
    flat = {f"{rounded}; {floor:g} instead of it has no slope": torch.full_like(x, floor).log() for floor in floors}
    mean.requires_grad_(), log_scale.requires_grad_()
    got = student.pixel_log_likelihood(x, mean, log_scale)
    expect(got, right, {rounded: torch.full_like(x, -torch.inf)} | flat, atol=5e-4)
    weight = normal(rng, *x.shape)
    want = [part.float() for part in gradients(right, weight, *exact)]
    expect(gradients(got, weight, mean, log_scale), tuple(want), atol=1e-2, rtol=1e-4)
