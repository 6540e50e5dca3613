"""Hidden points of 01_gans, continued: penalties, comparisons, a round of the game (see test_gans.py)."""

import copy

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 1, 5, 2)], ids=["cube", "oblong"])


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def tall(numbers: Tensor) -> Tensor:
    return numbers.reshape(-1, 1, 1, 1)


def paid(scores: Tensor) -> Tensor:
    """log(1 + e^score), one by one."""
    return torch.logaddexp(scores, torch.zeros_like(scores))


class Waves(nn.Module):
    """A discriminator with two weights, sum of a sin(x) + b x; `slope` is its gradient by hand."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(between(rng, 0.5, 1.5, 1)), nn.Parameter(between(rng, 0.2, 0.6, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * torch.sin(x) + self.b * x).flatten(1).sum(1)

    def slope(self, x: Tensor) -> Tensor:
        return (self.a * torch.cos(x) + self.b).flatten(1)


def gradients(penalty: Tensor, net: Waves) -> tuple[Tensor, Tensor]:
    """Of a scalar with respect to both weights, which are fresh afterwards."""
    require(penalty.requires_grad, "the penalty cannot be differentiated again: create_graph=True")
    net.zero_grad()
    penalty.backward()
    found = net.a.grad, net.b.grad
    net.zero_grad()
    return found


@task("r1_penalty")
@shapes
def test_r1_penalty(student, rng, shape):
    """Random images, weights and factors: value and gradients."""
    x, net, gamma = normal(rng, *shape), Waves(rng), float(between(rng, 0.3, 1.5))
    squares, n = net.slope(x).square(), shape[0]
    right = gamma / 2 * squares.sum(1).mean()
    wrong = {
        "the factor is gamma / 2": 2 * right,
        "gamma is missing": right / gamma,
        "the factor gamma / 2 is missing": right * 2 / gamma,
        "the norm sums over all pixels of an image": gamma / 2 * squares.mean(),
        "average over the images": n * right,
        "the slope must be squared": gamma / 2 * squares.sum(1).sqrt().mean(),
        "this is the norm over the whole batch": gamma / 2 * squares.sum().sqrt(),
        "differentiate the scores' sum": right / n**2,
        "this is the score's square": gamma / 2 * net(x).square().mean(),
    }
    before = x.clone()
    got = student.r1_penalty(net, x, gamma)
    expect(got, right, wrong)
    require(net.a.grad is None, "your penalty left gradients in the discriminator's weights: use torch.autograd.grad")
    expect(gradients(got, net), gradients(right, net))
    require(torch.equal(x, before) and not x.requires_grad, "the images themselves were changed")


@task("unit_slope_penalty")
@shapes
def test_unit_slope_penalty(student, rng, shape):
    """Random pairs, weights and shares: value and gradients."""
    real, fake, share, net = normal(rng, *shape), normal(rng, *shape), between(rng, 0.1, 0.9, shape[0]), Waves(rng)

    def mixed(part: Tensor) -> Tensor:
        return net.slope((1 - part) * real + part * fake).square()

    def off_by(squares: Tensor) -> Tensor:
        return (squares.sum(1).sqrt() - 1).square()

    at = mixed(tall(share))
    right, root = off_by(at).mean(), at.sum(1).sqrt()
    wrong = {
        "share is the generated image's part": off_by(mixed(1 - tall(share))).mean(),
        "ask between the images, not at the real ones": off_by(mixed(torch.zeros(1))).mean(),
        "ask between the images, not at the generated ones": off_by(mixed(torch.ones(1))).mean(),
        "this is the squared slope": (at.sum(1) - 1).square().mean(),
        "the distance from 1 must be squared": (root - 1).abs().mean(),
        "this is R1: compare the slope with 1": at.sum(1).mean(),
        "this is one norm over the whole batch": (at.sum().sqrt() - 1).square(),
        "this is the sum: take the mean": off_by(at).sum(),
        "the norm sums over all pixels of an image": (at.mean(1).sqrt() - 1).square().mean(),
        "differentiate the scores' sum": (root / shape[0] - 1).square().mean(),
    }
    if shape[0] == shape[-1]:
        hint = "one number a pair: give share the shape (B, 1, 1, 1)"
        wrong |= {
            hint: off_by(mixed(share)).mean(),
            f"{hint}, not (B, 1, 1)": off_by(mixed(share[:, None, None])).mean(),
        }
    got = student.unit_slope_penalty(net, real, fake, share)
    expect(got, right, wrong)
    expect(gradients(got, net), gradients(right, net))
    require(not real.requires_grad and not fake.requires_grad, "the images themselves were changed")


@task("unit_slope_penalty")
def test_unit_slope_penalty_of_the_flat(student, rng):
    """Slopes below 1 are penalised as those above."""
    weight = between(rng, 0.1, 0.3)
    got = student.unit_slope_penalty(
        lambda x: weight * x.flatten(1).sum(1), normal(rng, 2, 1, 2, 2), normal(rng, 2, 1, 2, 2), between(rng, 0, 1, 2)
    )
    expect(got, (2 * weight - 1) ** 2, {"slopes below 1 count as well": torch.zeros(())})


@task("relativistic_loss")
def test_relativistic_loss(student, rng):
    """Random scores: value and gradients; pairs in the wrong order by far."""
    high, low = 2 * normal(rng, 5), 2 * normal(rng, 5)
    right, pairs = paid(low - high).mean(), paid(low - high[:, None])
    wrong = {
        "high and low have changed places": paid(high - low).mean(),
        "each image is compared with all others": pairs.mean(),
        "the means are compared": paid(low.mean() - high.mean()),
        "each image is compared with the mean of the others": paid(low.mean() - high).mean(),
        "each image is judged by itself": paid(-high).mean() + paid(low).mean(),
        "the pairs were sorted: they are those of the same index": paid(low.sort().values - high.sort().values).mean(),
        "this is the sum: take the mean": 5 * right,
        "the softplus is missing": (low - high).mean(),
    }
    expect(student.relativistic_loss(high, low), right, wrong)
    sure = between(rng, 150, 400, 2)
    infinite = {"use softplus: a probability rounds to 0": torch.tensor(torch.inf)}
    expect(student.relativistic_loss(-sure, sure), 2 * sure.mean(), infinite)
    scores = high.clone().requires_grad_(), low.clone().requires_grad_()
    loss = student.relativistic_loss(*scores)
    require(loss.requires_grad, "no gradient reaches the scores")
    loss.backward()
    share = torch.sigmoid(low - high) / 5
    expect(tuple(score.grad for score in scores), (-share, share))


class Table:
    """A game of two linear networks, and for each loss that was asked: did the fakes carry gradients?."""

    def __init__(self, rng: torch.Generator) -> None:
        self.players = nn.Linear(3, 1), nn.Linear(2, 3)
        with torch.no_grad():
            for weight in (*self.players[0].parameters(), *self.players[1].parameters()):
                weight.copy_(normal(rng, *weight.shape))
        self.rate, self.seen = float(between(rng, 0.02, 0.1)), []

    def losses(self):
        def discriminator_pays(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
            self.seen.append(fake.requires_grad)
            return paid(-d(real)).mean() + paid(d(fake)).mean()

        def generator_pays(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
            self.seen.append(fake.requires_grad)
            return paid(d(real) - d(fake)).mean()

        return discriminator_pays, generator_pays

    def copied(self) -> "Table":
        twin = copy.copy(self)
        twin.players, twin.seen = copy.deepcopy(self.players), []
        return twin

    def optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        return tuple(torch.optim.SGD(player.parameters(), lr=self.rate) for player in self.players)

    def weights(self) -> tuple[Tensor, ...]:
        return tuple(weight.detach().clone() for player in self.players for weight in player.parameters())


def played(table: Table, rounds, order=(0, 1), cleared=(0, 1), own=True, moves=((0,), (1,))) -> tuple[Tensor, ...]:
    """The weights after some rounds by the rules, or by others."""
    table = table.copied()
    weights = [list(player.parameters()) for player in table.players]
    kept = [[torch.zeros_like(w) for w in part] for part in weights]
    for real, noise in rounds:
        for turn in order:
            fake = table.players[1](noise)
            loss = table.losses()[turn if own else 0](table.players[0], real, fake if turn else fake.detach())
            for k in (0, 1):
                if k == turn and k in cleared:
                    kept[k] = [torch.zeros_like(w) for w in weights[k]]
                new = torch.autograd.grad(loss, weights[k], retain_graph=True, allow_unused=True)
                kept[k] = [old + (0 if add is None else add) for old, add in zip(kept[k], new)]
            with torch.no_grad():
                for k in moves[turn]:
                    for w, gradient in zip(weights[k], kept[k]):
                        w -= table.rate * gradient
    return table.weights()


@task("adversarial_step")
@pytest.mark.in_place
def test_adversarial_step(student, rng):
    """Three rounds from random weights: where both players end, what they paid, what carried gradients."""
    table, rounds = Table(rng), [(normal(rng, 4, 3), normal(rng, 4, 2)) for _ in range(3)]
    wrong = {
        "the discriminator moves on old gradients": played(table, rounds, cleared=(1,)),
        "the generator moves on old gradients": played(table, rounds, cleared=(0,)),
        "both players move on old gradients": played(table, rounds, cleared=()),
        "the discriminator moves first": played(table, rounds, order=(1, 0)),
        "the generator has not moved": played(table, rounds, moves=((0,), ())),
        "the discriminator has not moved": played(table, rounds, moves=((), (1,))),
        "the generator descends the discriminator's loss": played(table, rounds, own=False),
        "the discriminator moved in the generator's turn": played(table, rounds, moves=((0,), (0, 1))),
    }
    right, twin = played(table, rounds), table.copied()
    optimizers, losses = twin.optimizers(), twin.losses()
    for real, noise in rounds:
        student.adversarial_step(twin.players, optimizers, losses, real, noise)
    expect(twin.weights(), right, wrong)
    require(not any(twin.seen[::2]), "detach the generated images in the discriminator's turn")
    require(all(twin.seen[1::2]), "in the generator's turn its images carry gradients")


@task("adversarial_step")
@pytest.mark.in_place
def test_adversarial_step_returns(student, rng):
    """What each player paid, the generator after the discriminator's move."""
    table, (real, noise) = Table(rng), (normal(rng, 4, 3), normal(rng, 4, 2))
    twin = table.copied()
    got = student.adversarial_step(twin.players, twin.optimizers(), twin.losses(), real, noise)
    require(isinstance(got, tuple) and len(got) == 2, "return both losses, the discriminator's first")
    require(not any(loss.requires_grad for loss in got), "return the losses without gradients")
    first, (pays, owes) = table.players[0], table.losses()
    fake, moved = table.players[1](noise), twin.players[0]
    want = pays(first, real, fake).detach(), owes(moved, real, fake).detach()
    wrong = {
        "the generator answers the discriminator as it is now, after its move": (want[0], owes(first, real, fake)),
        "the discriminator's loss comes first": want[::-1],
    }
    expect(got, want, wrong)
