"""What `check("task")` runs for the exercises of 06_applications, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested. Tests
pass plain tensors and functions, so that the same file serves a student in another process.
"""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus as paid

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def pictures(*numbers: float) -> Tensor:
    """Two images of one row and two columns: as many images as columns."""
    return torch.tensor(numbers, dtype=torch.float32).view(2, 1, 1, 2)


X0, FAKE, Y = pictures(1, -1, 0.5, 0), pictures(0, 2, -1, 1), pictures(0.5, 1, -2, 3)


def judge(x: Tensor, y: Tensor) -> Tensor:
    """A score for each pixel: twice the image less its source."""
    return 2 * x - y


@task("pix2pix")
def test_discriminator_loss(student):
    """True pairs should score high, false ones low; each score counts alike."""
    real, fake = judge(X0, Y), judge(FAKE, Y)
    right = paid(-real).mean() + paid(fake).mean()
    wrong = {
        "the signs are turned: true pairs should score high, false ones low": paid(real).mean() + paid(-fake).mean(),
        "both kinds of pairs should score high here: the false ones should score low": (
            paid(-real).mean() + paid(-fake).mean()
        ),
        "the false pairs are missing": paid(-real).mean(),
        "the true pairs are missing": paid(fake).mean(),
        "this is a sum: take the mean over all scores": paid(-real).sum() + paid(fake).sum(),
        "the two means are added, not averaged": right / 2,
        "image and source have changed places: score(image, source)": (
            paid(-judge(Y, X0)).mean() + paid(judge(Y, FAKE)).mean()
        ),
        "the judge sees the source beside the fake, not the truth": paid(-real).mean() + paid(judge(FAKE, X0)).mean(),
        "the softplus is missing": fake.mean() - real.mean(),
        "the mean of softplus, not the softplus of the mean": paid(-real.mean()) + paid(fake.mean()),
        "L1 is the generator's business": right + (FAKE - X0).abs().mean(),
    }
    expect(student.discriminator_loss(judge, X0, FAKE, Y), right, wrong)


@task("pix2pix")
def test_generator_loss(student):
    """The fakes should score high and be near the truth; the weight stands before L1."""
    fake, far = judge(FAKE, Y), (FAKE - X0).abs().mean()
    right = paid(-fake).mean() + 10 * far
    wrong = {
        "the sign of the score is turned: the generator wants its fakes to score high": paid(fake).mean() + 10 * far,
        "this is the saturating loss, minus the discriminator's: use softplus(-score)": -paid(fake).mean() + 10 * far,
        "the weight belongs to L1, not to the judge": 10 * paid(-fake).mean() + far,
        "the weight is missing": paid(-fake).mean() + far,
        "the judge is missing": 10 * far,
        "L1 is missing": paid(-fake).mean(),
        "take absolute differences, not squares": paid(-fake).mean() + 10 * (FAKE - X0).square().mean(),
        "take the mean of the differences, not their sum": paid(-fake).mean() + 10 * (FAKE - X0).abs().sum(),
        "the fake should be near the truth, not near the source": paid(-fake).mean() + 10 * (FAKE - Y).abs().mean(),
        "the judge sees the source beside the fake, not the truth": paid(-judge(FAKE, X0)).mean() + 10 * far,
        "image and source have changed places: score(image, source)": paid(-judge(Y, FAKE)).mean() + 10 * far,
        "the true pairs are the discriminator's business": right + paid(judge(X0, Y)).mean(),
    }
    expect(student.generator_loss(judge, X0, FAKE, Y, 10.0), right, wrong)


@task("pix2pix")
def test_who_learns_from_which_loss(student):
    """The discriminator's loss sends nothing to the fakes; the generator's goes through the score."""
    strict, fake = torch.tensor(2.0, requires_grad=True), FAKE.clone().requires_grad_()

    def learning(x: Tensor, y: Tensor) -> Tensor:
        return strict * x - y

    loss = student.discriminator_loss(learning, X0, fake, Y)
    require(
        isinstance(loss, Tensor) and loss.requires_grad, "no gradient reaches the discriminator: detach the fakes only"
    )
    _, to_fake = torch.autograd.grad(loss, (strict, fake), materialize_grads=True)
    require(not bool(to_fake.any()), "the discriminator's loss must not reach the generator: detach the fakes in it")
    loss = student.generator_loss(learning, X0, fake, Y, 10.0)
    require(
        isinstance(loss, Tensor) and loss.requires_grad, "no gradient reaches the generator: detach nothing in its loss"
    )
    (slope,) = torch.autograd.grad(loss, fake)
    near = 10 * (FAKE - X0).sign() / 4
    hint = "the generator learns through the score: do not detach the fakes in its loss"
    expect(slope, near - 2 * torch.sigmoid(-judge(FAKE, Y)) / 4, {hint: near})


@task("pix2pix")
def test_sure_scores(student):
    """Scores of a thousand are no infinity."""

    def sure(x: Tensor, y: Tensor) -> Tensor:
        return torch.full_like(x, -1000.0)

    infinite = {"use softplus: the logarithm of a probability that rounds to 0 is infinite": torch.tensor(torch.inf)}
    expect(student.discriminator_loss(sure, X0, FAKE, Y), torch.tensor(1000.0), infinite)
    expect(student.generator_loss(sure, X0, X0, Y, 1.0), torch.tensor(1000.0), infinite)


EPS, T = pictures(1, -2, 0.5, 4), torch.tensor([0.2, 0.5])


def mixed(at: Tensor, noise: Tensor, x0: Tensor = X0, y: Tensor = Y) -> Tensor:
    return (1 - at) * x0 + at * y + noise


@task("bridge")
def test_bridge_values(student):
    """Two images at two times of their own, with noise of strength 2."""
    t = T.view(2, 1, 1, 1)
    root = (t * (1 - t)).sqrt()
    wrong = {
        "the ends are exchanged: the image is at t = 0": mixed(1 - t, 2 * root * EPS),
        "one time an image: give t the shape (B, 1, 1, 1), or it is matched with the width": mixed(
            T, 2 * (T * (1 - T)).sqrt() * EPS
        ),
        "the root over t (1 - t) is missing": mixed(t, 2 * root**2 * EPS),
        "the root belongs over the whole product t (1 - t)": mixed(t, 2 * t.sqrt() * (1 - t) * EPS),
        "there is no noise at t = 1 either: the root of t (1 - t), not of t": mixed(t, 2 * t.sqrt() * EPS),
        "the noise of a flow grows with t: a bridge has none at t = 1": mixed(t, 2 * t * EPS),
        "spread stands before the root, not under it": mixed(t, 2**0.5 * root * EPS),
        "spread is missing": mixed(t, root * EPS),
        "the noise is missing": mixed(t, 0 * EPS),
        "the source is missing": (1 - t) * X0 + 2 * root * EPS,
    }
    expect(student.bridge(X0, Y, T, EPS, 2.0), mixed(t, 2 * root * EPS), wrong)


@task("bridge")
def test_bridge_step_values(student):
    """From t = 0.8 to s = 0.2: three quarters of the way to the guess."""
    x_t, z = FAKE, EPS
    t, s, root = torch.tensor(0.8), torch.tensor(0.2), 0.15**0.5
    right = 0.75 * X0 + 0.25 * x_t + 2 * root * z
    noiseless = 0.75 * X0 + 0.25 * x_t
    wrong = {
        "guess and state have changed places: at s = 0 the step ends at the guess": 0.25 * X0
        + 0.75 * x_t
        + 2 * root * z,
        "the path goes from t, not from 1: its share is s / t, not s": 0.8 * X0 + 0.2 * x_t + 2 * root * z,
        "this is the noise of the whole bridge at time s: a part of it is in x_t already": noiseless + 2 * 0.4 * z,
        "the division by t is missing under the root": noiseless + 2 * 0.12**0.5 * z,
        "the root is missing": noiseless + 2 * 0.15 * z,
        "the path is pinned at the guess: s (t - s) / t, not t - s": noiseless + 2 * 0.6**0.5 * z,
        "spread is missing": noiseless + root * z,
        "spread stands before the root, not under it": noiseless + 0.3**0.5 * z,
        "the fresh noise is missing": noiseless,
        "this begins the bridge anew at time s: x_t stands on the path already": 0.8 * X0 + 0.2 * x_t + 2 * 0.4 * z,
    }
    expect(student.bridge_step(x_t, X0, t, s, z, 2.0), right, wrong)


@task("bridge")
def test_both_ends_of_a_bridge(student):
    """No noise at t = 0, where the image is, nor at t = 1, where the source is; a step to 0 ends at the guess."""
    ends = student.bridge(X0, Y, torch.tensor([0.0, 1]), EPS, 3.0)
    expect(ends, torch.stack([X0[0], Y[1]]), {"the ends are exchanged": torch.stack([Y[0], X0[1]])})
    expect(student.bridge_step(FAKE, X0, torch.tensor(0.7), torch.tensor(0.0), EPS, 3.0), X0)
