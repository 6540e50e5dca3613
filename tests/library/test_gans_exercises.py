"""What is a part of something larger in the library is what the exercises ask for."""

import math

import pytest
import targets
import torch
from torch.nn.functional import leaky_relu

from course_lib.data.images import Batch
from course_lib.gans import games, penalties
from course_lib.gans.networks import SLOPE, Discriminator
from course_lib.gans.points import PointGan
from course_lib.training import Ema, train_steps


@pytest.fixture
def solution() -> dict:
    return targets.solution("gans")


@pytest.fixture
def model() -> PointGan:
    torch.manual_seed(0)
    return PointGan(games.relativistic, width=16, depth=2, latent=4)


def labels(n: int) -> torch.Tensor:
    return torch.zeros(n, dtype=torch.int64)


def test_the_penalty_of_wgan_gp(solution):
    real, fake, weight = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.randn(2, 4, 4)

    def critic(x, y=None):
        return (weight * x.sin()).flatten(1).sum(1)

    torch.manual_seed(1)
    ours = penalties.unit_slope(critic, real, fake, labels(3))
    torch.manual_seed(1)
    theirs = solution["unit_slope_penalty"](critic, real, fake, torch.rand(3, 1, 1, 1).flatten())
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def test_a_round_of_the_game(solution, model, monkeypatch):
    real, noise, twin = torch.randn(8, 2), torch.randn(8, 4), PointGan(games.relativistic, width=16, depth=2, latent=4)
    twin.load_state_dict(model.state_dict())
    monkeypatch.setattr(model, "generate", lambda y: model.generator(noise, y))
    monkeypatch.setattr("course_lib.training.steps.MAX_GRAD_NORM", math.inf)
    (step,) = train_steps(model, [Batch(real, labels(8))], 1, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))

    game = games.relativistic
    theirs = solution["adversarial_step"](
        (Unlabelled(twin.discriminator), Unlabelled(twin.generator)),
        tuple(torch.optim.SGD(net.parameters(), lr=0.1) for net in (twin.discriminator, twin.generator)),
        (
            lambda d, x, z: (
                game.discriminator(d(x), d(z)) + game.weight * game.penalty(lambda x, y: d(x), x, z, labels(8))
            ),
            lambda d, x, z: game.generator(d(x), d(z)),
        ),
        real,
        noise,
    )
    ours = step.logs["discriminator/loss"], step.logs["generator/loss"]
    torch.testing.assert_close(theirs, ours, atol=1e-6, rtol=1e-5)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], weight, atol=1e-6, rtol=1e-5)


class Unlabelled(torch.nn.Module):
    """A player that is told no label."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x, labels(len(x)))


def test_the_score_of_a_label(solution):
    torch.manual_seed(0)
    net, x, y, seen = Discriminator(1, 8, 8, 3), torch.randn(4, 1, 8, 8), torch.tensor([0, 2, 1, 2]), []
    net.features.register_forward_hook(lambda module, given, made: seen.append(leaky_relu(made, SLOPE)))
    ours = net(x, y)
    theirs = solution["projection_score"](seen[0], y, net.score.weight[0], net.label.weight)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def test_the_average_of_the_weights(solution, model):
    ema = Ema(model, decay=0.9)
    ema.updates = 10**9  # long after the start, where it forgets faster
    average = {name: value.clone() for name, value in ema.model.state_dict().items()}
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    ema.update()
    solution["ema_update"](average, model.state_dict(), 0.9)
    for name, value in ema.model.state_dict().items():
        torch.testing.assert_close(average[name], value, atol=1e-6, rtol=1e-5)
