"""Public points of 01_gans, continued: penalties, comparisons, a round of the game (see test_gans.py)."""

from math import exp, log1p

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def numbers(*values: float) -> Tensor:
    return torch.tensor(values)


def images(*greys: float) -> Tensor:
    """2 x 2 images, each of one grey."""
    return torch.tensor(greys)[:, None, None, None].expand(-1, 1, 2, 2).clone()


def soft(score: float) -> float:
    """log(1 + e^score)."""
    return log1p(exp(score))


class Bowl(nn.Module):
    """A discriminator with one weight: w |x|^2 / 2, whose slope at an image is w |x|."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.square().flatten(1).sum(1) / 2


@task("r1_penalty")
def test_r1_penalty_value(student):
    """Half of gamma times the squared slope, summed over pixels, averaged over images."""
    got = student.r1_penalty(Bowl(2.0), images(1.0, 2.0, 3.0), 0.6)
    squares = 16 + 64 + 144  # of the slopes 4, 8 and 12
    wrong = {
        "the factor is gamma / 2": torch.tensor(0.6 * squares / 3),
        "gamma is missing": torch.tensor(0.5 * squares / 3),
        "the factor gamma / 2 is missing": torch.tensor(squares / 3),
        "the norm sums over all pixels of an image; this is their mean": torch.tensor(0.3 * squares / 12),
        "average over the images; this is their sum": torch.tensor(0.3 * squares),
        "the slope must be squared": torch.tensor(0.3 * 8),
        "this is the norm over the whole batch": torch.tensor(0.3 * squares**0.5),
        "this is the gradient of the scores' mean: differentiate their sum": torch.tensor(0.3 * squares / 27),
        "this is the score's square, not that of its slope": torch.tensor(0.3 * (16 + 256 + 1296) / 3),
    }
    expect(got, torch.tensor(0.3 * squares / 3), wrong)


@task("r1_penalty")
def test_r1_penalty_is_differentiable(student):
    """The penalty moves the discriminator's weights, and leaves no gradients behind by itself."""
    bowl, x = Bowl(2.0), images(1.0, 2.0, 3.0)
    penalty = student.r1_penalty(bowl, x, 0.6)
    require(penalty.requires_grad, "the penalty cannot be differentiated again: create_graph=True")
    hint = "your penalty left gradients in the discriminator's weights: use torch.autograd.grad"
    require(bowl.weight.grad is None, hint)
    penalty.backward()
    expect(bowl.weight.grad, torch.tensor(22.4))
    hint = "the images themselves were made to require gradients: ask on x.detach().requires_grad_()"
    require(not x.requires_grad and x.grad is None, hint)


def off_by(*slopes: float) -> Tensor:
    """The mean squared distance of slopes from 1."""
    return torch.tensor(sum((slope - 1) ** 2 for slope in slopes) / len(slopes))


@task("unit_slope_penalty")
def test_unit_slope_penalty_value(student):
    """The mean squared distance of the slope from 1, at the point between each pair."""
    # 2 x 2 x 2 numbers an image, so that the slope at grey g is 1.2 g
    real, fake = images(1.0, 3.0).expand(2, 2, 2, 2), images(0.0, 1.0).expand(2, 2, 2, 2)
    got = student.unit_slope_penalty(Bowl(1.2 / 8**0.5), real, fake, numbers(0.25, 0.75))
    mixed = ((0.75**2 + 0.25**2) / 2) ** 0.5, ((2.5**2 + 1.5**2) / 2) ** 0.5
    wrong = {
        "one number a pair: give share the shape (B, 1, 1, 1)": off_by(1.2 * mixed[0], 1.2 * mixed[1]),
        "share is the generated image's part: x = (1 - s) real + s fake": off_by(0.3, 3.0),
        "ask between the images, not at the real ones": off_by(1.2, 3.6),
        "ask between the images, not at the generated ones": off_by(0.0, 1.2),
        "slopes below 1 count as well": torch.tensor(0.32),
        "this is the squared slope: take its root before you compare it with 1": off_by(0.81, 3.24),
        "the distance from 1 must be squared": torch.tensor(0.45),
        "this is R1: compare the slope with 1": torch.tensor((0.81 + 3.24) / 2),
        "this is one norm over the whole batch: each image has its own": off_by((0.81 + 3.24) ** 0.5),
        "this is the sum: take the mean": torch.tensor(0.65),
        "the norm sums over all pixels of an image; this is their mean": off_by(0.9 / 8**0.5, 1.8 / 8**0.5),
        "this is the gradient of the scores' mean: differentiate their sum": off_by(0.45, 0.9),
    }
    expect(got, torch.tensor(0.325), wrong)


@task("unit_slope_penalty")
def test_unit_slope_penalty_is_differentiable(student):
    """The penalty moves the critic's weights."""
    bowl = Bowl(0.6)
    penalty = student.unit_slope_penalty(bowl, images(1.0, 3.0), images(0.0, 1.0), numbers(0.25, 0.75))
    require(penalty.requires_grad, "the penalty cannot be differentiated again: create_graph=True")
    penalty.backward()
    expect(bowl.weight.grad, torch.tensor(2 * (-0.1 * 1.5 + 0.8 * 3) / 2))


@task("relativistic_loss")
def test_relativistic_loss_value(student):
    """Each image is compared with the one that stands at its place."""
    got = student.relativistic_loss(numbers(3.0, 0.0), numbers(-1.0, 1.0))
    wrong = {
        "high and low have changed places": torch.tensor((soft(4) + soft(-1)) / 2),
        "each image is compared with all others: pair those of the same index": torch.tensor(
            (soft(-4) + soft(-2) + soft(-1) + soft(1)) / 4
        ),
        "the means are compared: compare pair by pair": torch.tensor(soft(-1.5)),
        "each image is compared with the mean of the others: pair those of the same index": torch.tensor(
            (soft(-3) + soft(0)) / 2
        ),
        "each image is judged by itself: take the difference first": torch.tensor(
            (soft(-3) + soft(0) + soft(-1) + soft(1)) / 2
        ),
        "this is the sum: take the mean": torch.tensor(soft(-4) + soft(1)),
        "this is the Wasserstein critic's loss: the softplus is missing": torch.tensor(-1.5),
    }
    expect(got, torch.tensor((soft(-4) + soft(1)) / 2), wrong)


@task("relativistic_loss")
def test_relativistic_loss_far_apart(student):
    """It stays finite where a pair is in the wrong order by far."""
    wrong = {"the logarithm of a probability that rounds to 0: use softplus": torch.tensor(float("inf"))}
    expect(student.relativistic_loss(numbers(-200.0), numbers(300.0)), torch.tensor(500.0), wrong)


class Gain(nn.Module):
    """A player with one weight: w x."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class Table:
    """A game on a table: the discriminator has weight 1, the generator 2; what it saw is written down."""

    def __init__(self) -> None:
        self.players = Gain(1.0), Gain(2.0)
        self.optimizers = tuple(torch.optim.SGD(player.parameters(), lr=0.1) for player in self.players)
        self.turns: list[tuple[str, bool]] = []

    def discriminator_pays(self, d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        self.turns.append(("discriminator", fake.requires_grad))
        return (d(fake) - d(real)).mean()

    def generator_pays(self, d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        self.turns.append(("generator", fake.requires_grad))
        return -d(fake).mean()

    def play(self, student) -> object:
        losses = self.discriminator_pays, self.generator_pays
        return student.adversarial_step(self.players, self.optimizers, losses, numbers(3.0), numbers(1.0))


@task("adversarial_step")
@pytest.mark.in_place
def test_adversarial_step_turns(student):
    """The discriminator moves first, on images that carry no gradients; the generator answers."""
    table = Table()
    paid = table.play(student)
    order = [player for player, _ in table.turns]
    require(order != ["generator", "discriminator"], "the discriminator moves first")
    require(order == ["discriminator", "generator"], "each player's loss is asked for once a round")
    carried = [gradient for _, gradient in table.turns]
    require(not carried[0], "detach the generated images in the discriminator's turn: they are just images")
    require(carried[1], "in the generator's turn its images carry gradients: do not detach them there")
    require(isinstance(paid, tuple) and len(paid) == 2, "return both losses, the discriminator's first")
    require(not any(loss.requires_grad for loss in paid), "return the losses without gradients: detach them")
    wrong = {
        "the generator answers the discriminator as it is now, after its move": numbers(-1.0, -2.0).unbind(),
        "the discriminator's loss comes first": numbers(-2.2, -1.0).unbind(),
    }
    expect(paid, numbers(-1.0, -2.2).unbind(), wrong)


@task("adversarial_step")
@pytest.mark.in_place
def test_adversarial_step_weights(student):
    """After two rounds both players are where their own losses have led them."""
    table = Table()
    table.play(student), table.play(student)
    wrong = {
        "the discriminator moves on old gradients: zero_grad before its backward": (1.489, 2.2589),
        "the generator moves on old gradients: zero_grad before its backward": (1.189, 2.3389),
        "both players move on old gradients: zero_grad before each backward": (1.489, 2.3689),
        "the discriminator moves first": (1.1691, 2.209),
        "the generator has not moved: do not detach its images in its own turn": (1.2, 2.0),
        "the generator descends the discriminator's loss: it has its own": (1.211, 1.7689),
        "the discriminator moved in the generator's turn": (1.789, 2.2589),
        "only the discriminator has moved": (1.2, 2.0),
        "only the generator has moved": (1.0, 2.2),
        "no player has moved": (1.0, 2.0),
    }
    got = tuple(player.weight.detach() for player in table.players)
    expect(got, numbers(1.189, 2.2289).unbind(), {hint: numbers(*pair).unbind() for hint, pair in wrong.items()})
