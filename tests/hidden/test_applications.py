"""Hidden points of the exercises of 06_applications: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast or axis
fails by itself (batch = channels = height = width, draws = images) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`); 1e-4 where gradients, decibels of one image and
angles are compared, 1e-3 for decibels after a translator, and 1e-6 for shares, as stands there. Over 40 seeds the
solution, 31 differently written right answers and the library, 7,600 points, never failed and never used more than
14 % of the tolerance; rounding errors of seven times that size do not occur with so few operations, so the
probability that a right answer fails is taken to be below 1e-6.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.functional import softplus as paid

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 2, 4, 6)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def learnable(got: object) -> Tensor:
    require(isinstance(got, Tensor) and got.requires_grad, "no gradient passes through your function: detach nothing")
    return got


def gradients(value: Tensor, weight: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of the weighted sum of a value; 0 for what it does not depend on."""
    return torch.autograd.grad((learnable(value) * weight).sum(), of, materialize_grads=True, retain_graph=True)


class Judge(nn.Module):
    """A score for each patch of 2 x 2 pixels; it tells an image from its source."""

    def __init__(self, rng: torch.Generator, channels: int) -> None:
        super().__init__()
        self.a = nn.Parameter(normal(rng, channels, 1, 1))
        self.b = nn.Parameter(normal(rng, channels, 1, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return avg_pool2d(3 * torch.sin(self.a * x + 0.3) + self.b * y, 2).sum(1, keepdim=True)


@task("pix2pix")
@shapes
def test_discriminator_loss(student, rng, shape):
    """Random pairs and a random judge: value, and gradients for the judge only."""
    x0, made, y, judge = normal(rng, *shape), normal(rng, *shape), normal(rng, *shape), Judge(rng, shape[1])
    fake = made.clone().requires_grad_()
    real, false = judge(x0, y), judge(made, y)
    right = paid(-real).mean() + paid(false).mean()
    wrong = {
        "the signs are turned": paid(real).mean() + paid(-false).mean(),
        "the false ones should score low": paid(-real).mean() + paid(-false).mean(),
        "the false pairs are missing": paid(-real).mean(),
        "the true pairs are missing": paid(false).mean(),
        "this is a sum": paid(-real).sum() + paid(false).sum(),
        "the two means are added": right / 2,
        "image and source have changed places": paid(-judge(y, x0)).mean() + paid(judge(y, made)).mean(),
        "the judge sees the source beside the fake": paid(-real).mean() + paid(judge(made, x0)).mean(),
        "the softplus is missing": false.mean() - real.mean(),
        "the mean of softplus": paid(-real.mean()) + paid(false.mean()),
        "L1 is the generator's business": right + (made - x0).abs().mean(),
    }
    got = student.discriminator_loss(judge, x0, fake, y)
    expect(got, right, wrong)
    one = torch.ones(())
    *to_judge, to_fake = gradients(got, one, judge.a, judge.b, fake)
    require(not bool(to_fake.any()), "the discriminator's loss must not reach the generator: detach the fakes in it")
    expect(tuple(to_judge), gradients(right, one, judge.a, judge.b), atol=1e-4)


@task("pix2pix")
@shapes
def test_generator_loss(student, rng, shape):
    """Random fakes and a random judge: value and gradients, through the judge and past it."""
    x0, made, y, judge = normal(rng, *shape), normal(rng, *shape), normal(rng, *shape), Judge(rng, shape[1])
    fake, weight = made.clone().requires_grad_(), float(between(rng, 3, 20))
    score, far = judge(fake, y), (fake - x0).abs().mean()
    right = paid(-score).mean() + weight * far
    wrong = {
        "the sign of the score is turned": paid(score).mean() + weight * far,
        "this is the saturating loss": -paid(score).mean() + weight * far,
        "the weight belongs to L1": weight * paid(-score).mean() + far,
        "the weight is missing": paid(-score).mean() + far,
        "the judge is missing": weight * far,
        "L1 is missing": paid(-score).mean(),
        "take absolute differences": paid(-score).mean() + weight * (made - x0).square().mean(),
        "take the mean of the differences": paid(-score).mean() + weight * (made - x0).abs().sum(),
        "not near the source": paid(-score).mean() + weight * (made - y).abs().mean(),
        "the judge sees the source beside the fake": paid(-judge(made, x0)).mean() + weight * far,
        "image and source have changed places": paid(-judge(y, made)).mean() + weight * far,
        "the true pairs are the discriminator's business": right + paid(judge(x0, y)).mean(),
    }
    got = student.generator_loss(judge, x0, fake, y, weight)
    expect(got, right, wrong)
    one = torch.ones(())
    past = {"the generator learns through the score": gradients(weight * far, one, fake)}
    expect(gradients(got, one, fake), gradients(right, one, fake), past, atol=1e-4)


@task("pix2pix")
def test_sure_scores(student, rng):
    """Scores of hundreds are no infinity, with either sign."""
    x, y = normal(rng, 2, 1, 2, 2), normal(rng, 2, 1, 2, 2)
    sure = between(rng, 200, 900, 2, 1, 2, 2)
    infinite = {"use softplus: a probability rounds to 0": torch.tensor(torch.inf)}
    got = student.discriminator_loss(lambda image, source: sure * (image - x - 0.5).sign(), x, x + 1, y)
    expect(got, 2 * sure.mean(), infinite)
    expect(student.generator_loss(lambda image, source: -sure, x, x, y, 1.0), sure.mean(), infinite)


@task("bridge")
@shapes
def test_bridge(student, rng, shape):
    """Random pairs, each at a time of its own: values and gradients."""
    x0, y, eps = (normal(rng, *shape).requires_grad_() for _ in range(3))
    times, spread = between(rng, 0.1, 0.9, shape[0]), float(between(rng, 0.3, 0.8))
    t = times[:, None, None, None]
    root = (t * (1 - t)).sqrt()

    def mixed(at: Tensor, noise: Tensor) -> Tensor:
        return (1 - at) * x0 + at * y + noise

    wrong = {
        "the ends are exchanged": mixed(1 - t, spread * root * eps),
        "the root over t (1 - t) is missing": mixed(t, spread * root**2 * eps),
        "the root belongs over the whole product": mixed(t, spread * t.sqrt() * (1 - t) * eps),
        "there is no noise at t = 1 either": mixed(t, spread * t.sqrt() * eps),
        "the noise of a flow grows with t": mixed(t, spread * t * eps),
        "spread stands before the root": mixed(t, spread**0.5 * root * eps),
        "spread is missing": mixed(t, root * eps),
        "the noise is missing": mixed(t, 0 * eps),
        "the source is missing": (1 - t) * x0 + spread * root * eps,
    }
    if shape[0] == shape[3]:
        hint = "one time an image: give t the shape (B, 1, 1, 1)"
        wrong[hint] = mixed(times, spread * (times * (1 - times)).sqrt() * eps)
    right, got = mixed(t, spread * root * eps), student.bridge(x0, y, times, eps, spread)
    expect(got, right, wrong)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, x0, y, eps), gradients(right, weight, x0, y, eps), atol=1e-4)


@task("bridge")
@shapes
def test_bridge_step(student, rng, shape):
    """Random states, guesses and times: values and gradients."""
    x_t, x0, z = (normal(rng, *shape).requires_grad_() for _ in range(3))
    t, spread = between(rng, 0.5, 0.95), float(between(rng, 0.3, 0.8))
    s = t * between(rng, 0.2, 0.8)
    part, root = s / t, (s * (t - s) / t).sqrt()
    clean = (1 - part) * x0 + part * x_t
    own = spread * (s * (1 - s)).sqrt() * z
    wrong = {
        "guess and state have changed places": part * x0 + (1 - part) * x_t + spread * root * z,
        "the path goes from t, not from 1": (1 - s) * x0 + s * x_t + spread * root * z,
        "this is the noise of the whole bridge": clean + own,
        "the division by t is missing": clean + spread * (s * (t - s)).sqrt() * z,
        "the root is missing": clean + spread * root**2 * z,
        "the path is pinned at the guess": clean + spread * (t - s).sqrt() * z,
        "spread is missing": clean + root * z,
        "spread stands before the root": clean + spread**0.5 * root * z,
        "the fresh noise is missing": clean,
        "this begins the bridge anew": (1 - s) * x0 + s * x_t + own,
    }
    right, got = clean + spread * root * z, student.bridge_step(x_t, x0, t, s, z, spread)
    expect(got, right, wrong)
    weight = normal(rng, *shape)
    expect(gradients(got, weight, x_t, x0, z), gradients(right, weight, x_t, x0, z), atol=1e-4)
    expect(student.bridge_step(x_t, x0, t, 0 * t, z, spread), x0, {"at s = 0 the step ends at the guess": x_t})


@task("bridge")
def test_a_step_stays_on_the_bridge(student, rng):
    """With a right guess, mean and variance after a step are those of the bridge at that time."""
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    t, spread = between(rng, 0.5, 0.95), float(between(rng, 0.5, 2))
    s = t * between(rng, 0.1, 0.9)
    noise = student.bridge(zero, zero, t[None], one, spread)
    old, fresh = (
        student.bridge_step(noise, zero, t, s, zero, spread),
        student.bridge_step(zero, zero, t, s, one, spread),
    )
    whole = {"the noise after a step is more than that of the bridge": (t - s).reshape(1, 1, 1, 1)}
    expect(old**2 + fresh**2, (spread**2 * s * (1 - s)).reshape(1, 1, 1, 1), whole)
    there = student.bridge(zero, one, t[None], zero, spread)
    expect(student.bridge_step(there, zero, t, s, zero, spread), s.reshape(1, 1, 1, 1))
