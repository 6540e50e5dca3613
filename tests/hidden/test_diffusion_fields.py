"""Hidden points of 03_diffusion, continued: functions on functions, losses, solvers (see test_diffusion.py)."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task
shapes = pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 1, 5, 2)], ids=["cube", "oblong"])
BROADCAST = "one number an image: give it the shape (B, 1, 1, 1)"


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def tall(numbers: Tensor) -> Tensor:
    return numbers.reshape(-1, 1, 1, 1)


class Wave(nn.Module):
    """A smooth network (x, times...) -> x's shape with two weights; `rate` is its derivative along a path."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(normal(rng, 1)), nn.Parameter(normal(rng, 1))

    def forward(self, x: Tensor, *times: Tensor) -> Tensor:
        if any(time.shape != x.shape[:1] for time in times):
            shapes = ", ".join(str(tuple(time.shape)) for time in times)
            require(False, f"the network wants its times as ({len(x)},), got {shapes}")
        return torch.sin(self.a * x) + self.b * sum((tall(time) ** (2 + i) for i, time in enumerate(times)), 0)

    def rate(self, x: Tensor, r: Tensor, t: Tensor, moves: tuple) -> Tensor:
        dx, dr, dt = moves
        return self.a * torch.cos(self.a * x) * dx + self.b * (2 * tall(r) * dr + 3 * tall(t) ** 2 * dt)


def gradients(loss: Tensor, net: Wave) -> tuple[Tensor, Tensor]:
    """Of a scalar loss with respect to both weights, which are fresh afterwards."""
    require(loss.requires_grad, "no gradient reaches the network: do not detach its prediction")
    net.zero_grad()
    loss.backward()
    return net.a.grad, net.b.grad


@task("guided")
def test_guided(student, rng):
    """Random linear predictions, scales and times."""
    x, t, a, b = normal(rng, 3, 5, 4, 2), between(rng, 0, 1), between(rng, 1.5, 2), between(rng, -1, -0.5)
    scale = float(between(rng, 2.5, 6))

    def conditional(x: Tensor, t: Tensor) -> Tensor:
        return a * x + t

    def free(x: Tensor, t: Tensor) -> Tensor:
        return b * x - t

    before, yes, no = x.clone(), conditional(x, t), free(x, t)
    want = no + scale * (yes - no)
    wrong = {
        "ours is 1 + w, counted from the free prediction": yes + scale * (yes - no),
        "the two predictions have changed places": yes + scale * (no - yes),
        "you walked away from the condition": no - scale * (yes - no),
        "multiply the difference of the two predictions": no + scale * yes,
        "both predictions must be asked at the same x_t and t": no + scale * (a * x - no),
    }
    some = {f"only the first {n} channels are guided": torch.cat([want[:, :n], no[:, n:]], 1) for n in range(1, 5)}
    only_yes = {"only some channels are guided": torch.cat([want[:, :3], yes[:, 3:]], 1)}
    expect(student.guided(conditional, free, scale)(x, t), want, wrong | some | only_yes)
    require(torch.equal(x, before), "x_t was changed in place")
    for end, prediction in ((0.0, no), (1.0, yes)):
        expect(student.guided(conditional, free, end)(x, t), prediction)


@task("flow_loss")
@shapes
def test_flow_loss(student, rng, shape):
    """Random images, noise, times and weights: value and gradients."""
    x0, eps, t, net = normal(rng, *shape), normal(rng, *shape), between(rng, 0, 1, shape[0]), Wave(rng)

    def error(start: Tensor, end: Tensor, target: Tensor) -> Tensor:
        return net((1 - tall(t)) * start + tall(t) * end, t) - target

    right = error(x0, eps, eps - x0).square()
    wrong = {
        "this is the sum: take the mean": right.sum(),
        "this is the sum over each image: take the mean over all numbers": right.mean(0).sum(),
        "the velocity is turned": error(x0, eps, x0 - eps).square().mean(),
        "t = 0 is data: x_t = (1 - t) x_0 + t eps": error(eps, x0, eps - x0).square().mean(),
        "the target is the velocity, not the noise": error(x0, eps, eps).square().mean(),
        "the target is the velocity, not the image": error(x0, eps, x0).square().mean(),
        "the error must be squared": error(x0, eps, eps - x0).abs().mean(),
    }
    if shape[0] == shape[-1]:
        mixed = x0 + t * (eps - x0)
        wrong[BROADCAST] = (net(mixed, t) - (eps - x0)).square().mean()
    got = student.flow_loss(net, x0, eps, t)
    expect(got, right.mean(), wrong)
    expect(gradients(got, net), gradients(right.mean(), net))


def heun_by_hand(field, x: Tensor, grid: list[float], ahead: float = 1.0, time: float = 1.0, sum_: float = 0.5):
    """Heun's states; with other numbers those of its wrong variants."""
    states = []
    for t, s in zip(grid[:-1], grid[1:]):
        slope = field(x, t)
        x = x + (s - t) * sum_ * (slope + field(x + ahead * (s - t) * slope, t + time * (s - t)))
        states.append(x)
    return states


@task("heun")
def test_heun(student, rng):
    """A random field on uneven times: every state."""
    x, a, b = normal(rng, 2, 1, 3, 2), between(rng, 0.5, 1.5), between(rng, 1, 2)
    grid = torch.cat([torch.ones(1), between(rng, 0.1, 0.9, 3).sort(descending=True).values, torch.zeros(1)])

    def field(x: Tensor, t: Tensor) -> Tensor:
        return torch.sin(a * x) + b * t**2

    numbers = [*grid]
    right = heun_by_hand(field, x, numbers)
    euler, start = [], x
    for t, s in zip(numbers[:-1], numbers[1:]):
        start = start + (s - t) * field(start, t)
        euler.append(start)
    wrong = {
        "this is Euler's method": euler,
        "the second slope belongs to the time s": heun_by_hand(field, x, numbers, time=0),
        "the second slope belongs to the point ahead": heun_by_hand(field, x, numbers, ahead=0),
        "take the mean of the two slopes": heun_by_hand(field, x, numbers, sum_=1),
        "the step is s - t, which is negative": heun_by_hand(field, x, numbers, ahead=-1, sum_=-0.5),
        "the start is no result": [x, *right],
        "yield after the step, not before": [x, *right[:-1]],
        "the last step is missing": right[:-1],
        "make a new x in each step": [right[-1]] * 4,
    }
    before = x.clone()
    expect(list(student.heun(field, x, grid)), right, wrong)
    require(torch.equal(x, before), "make a new x in each step: the start was changed in place")


@task("heun")
def test_heun_no_gradient(student, rng):
    """No state carries gradients, though the field has weights."""
    net = Wave(rng)
    states = list(student.heun(lambda x, t: net(x), normal(rng, 2, 1, 2, 2), torch.tensor([1.0, 0.5, 0.0])))
    require(not any(state.requires_grad for state in states), "work under torch.no_grad()")


@task("inpainted")
def test_inpainted(student, rng):
    """Random images, masks and guesses, with anything where nothing is known."""
    x, known, a = normal(rng, 4, 3, 4, 4), normal(rng, 4, 3, 4, 4), between(rng, 1.5, 2)
    mask = torch.rand(4, 4, generator=rng, device="cpu") < 0.5
    mask[0, 0], mask[1, 1] = True, False
    guess, state = a * x, torch.where(mask, known, x)
    want = torch.where(mask, known, guess)
    wrong = {
        "the mask is turned": torch.where(mask, guess, known),
        "the known pixels are not set": guess,
        "correct the guess, not the noisy state": a * state,
        "only the first channel is corrected": torch.cat([want[:, :1], guess[:, 1:]], 1),
    }
    before = known.clone(), mask.clone(), x.clone()
    expect(student.inpainted(lambda x, t: a * x, known, mask)(x, torch.tensor(0.5)), want, wrong)
    unchanged = all(torch.equal(now, then) for now, then in zip((known, mask, x), before))
    require(unchanged, "an argument was changed in place")
    holed = torch.where(mask, known, torch.nan)
    wrong = {"choose with torch.where instead of multiplying: 0 times NaN is NaN": holed}
    expect(student.inpainted(lambda x, t: a * x, holed, mask)(x, torch.tensor(0.5)), want, wrong)


@task("meanflow_loss")
@shapes
def test_meanflow_loss(student, rng, shape):
    """Random images, noise, times and weights: value, and gradients that stop at the target."""
    x0, eps, net = normal(rng, *shape), normal(rng, *shape), Wave(rng)
    r, t = between(rng, 0, 0.4, shape[0]), between(rng, 0.6, 1, shape[0])
    v, x_t, span = eps - x0, (1 - tall(t)) * x0 + tall(t) * eps, tall(t - r)

    def loss(moves: tuple, length: Tensor = span, still: bool = True) -> Tensor:
        target = v - length * net.rate(x_t, r, t, moves)
        return (net(x_t, r, t) - (target.detach() if still else target)).square().mean()

    right = loss((v, 0, 1))
    wrong = {
        "the sign is turned: v minus (t - r) du/dt": loss((v, 0, 1), -span),
        "the tangent of r is 0": loss((v, 1, 1)),
        "the tangent of t is 1": loss((v, 0, 0)),
        "the tangent of x_t is v": loss((0 * v, 0, 1)),
        "the derivative's term is missing": loss((v, 0, 1), 0 * span),
        "the factor t - r is missing": loss((v, 0, 1), torch.ones_like(span)),
        "this is the sum: take the mean": right * x0.numel(),
    }
    if shape[0] == shape[-1]:
        wrong[BROADCAST] = loss((v, 0, 1), t - r)
    got = student.meanflow_loss(net, x0, eps, r, t)
    expect(got, right, wrong)
    moving = {"gradients flow through the target: detach it": gradients(loss((v, 0, 1), still=False), net)}
    want = gradients(loss((v, 0, 1)), net)
    expect(gradients(got, net), want, moving)
