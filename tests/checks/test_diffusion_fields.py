"""Public points of 03_diffusion, continued: functions on functions, losses, solvers (see test_diffusion.py)."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task

SHAPE_HINT = "one number an image: give it the shape (B, 1, 1, 1); here it was matched with the "
ONE_EACH = torch.tensor([0.75, 0.5, 0.25])


def image(value: float) -> Tensor:
    """A 2 x 2 image of one grey."""
    return torch.full((1, 1, 2, 2), value)


def per_image(numbers: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Numbers (3,) spread over images (3, 3, 3, 3) rightly, and wrongly in three ways that do not fail."""
    shapes = {"width": (1, 1, 1, 3), "height": (1, 1, 3, 1), "channels": (1, 3, 1, 1)}
    wrong = {SHAPE_HINT + axis: numbers.reshape(shape).expand(3, 3, 3, 3) for axis, shape in shapes.items()}
    return numbers.reshape(3, 1, 1, 1).expand(3, 3, 3, 3), wrong


class Line(nn.Module):
    """A network with one weight: w x_t, or w x_t + t^2 + 3 r; it remembers what it was asked."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor, *times: Tensor) -> Tensor:
        self.asked = [x, *times]
        if len(times) == 2:
            r, t = (time.reshape(-1, 1, 1, 1) for time in times)
            return self.weight * x + t**2 + 3 * r
        return self.weight * x


@task("guided")
def test_guided_values(student):
    """The scale is counted from the prediction without the condition."""
    field = student.guided(lambda x, t: 3 * x + t, lambda x, t: x, 3.0)
    require(callable(field), "return a function of (x_t, t), not its value")
    wrong = {
        "your scale is counted from the conditional prediction, as the paper's w: ours is 1 + w": image(11.0),
        "the two predictions have changed places": image(-4.0),
        "you walked away from the condition: the sign is turned": image(-6.5),
        "multiply the difference of the two predictions, not the prediction": image(10.5),
        "both predictions must be asked at the same x_t and t": image(7.0),
    }
    expect(field(image(1.0), torch.tensor(0.5)), image(8.5), wrong)


@task("guided")
def test_guided_ends(student):
    """Scale 0 ignores the condition, scale 1 is the conditional prediction."""
    for scale, want in ((0.0, 1.0), (1.0, 3.0)):
        expect(student.guided(lambda x, t: 3 * x, lambda x, t: x, scale)(image(1.0), torch.tensor(0.5)), image(want))


@task("guided")
def test_guided_all_channels(student):
    """Every channel of every image is guided."""
    x = torch.ones(2, 4, 2, 2)
    got = student.guided(lambda x, t: 3 * x, lambda x, t: x, 2.0)(x, torch.tensor(0.5))
    some = {f"only the first {n} channels are guided": torch.cat([5 * x[:, :n], x[:, n:]], 1) for n in (1, 2, 3)}
    one = {"only the first image is guided": torch.cat([5 * x[:1], x[1:]])}
    expect(got, 5 * x, some | one)


@task("flow_loss")
def test_flow_loss_value(student):
    """The mean squared error of the velocity eps - x_0, at a point of the straight path."""
    got = student.flow_loss(Line(1.0), image(2.0), image(-1.0), torch.tensor([0.25]))
    wrong = {
        "this is the sum: take the mean, so that the image's size does not matter": torch.tensor(72.25),
        "the velocity is turned: from image to noise it is eps - x_0": torch.tensor(3.0625),
        "t = 0 is data: x_t = (1 - t) x_0 + t eps": torch.tensor(7.5625),
        "the target is the velocity eps - x_0, not the noise": torch.tensor(5.0625),
        "the target is the velocity eps - x_0, not the image": torch.tensor(0.5625),
        "the error must be squared": torch.tensor(4.25),
    }
    expect(got, torch.tensor(18.0625), wrong)


@task("flow_loss")
def test_flow_loss_asks(student):
    """The network gets each image at its own time, and the times as (B,)."""
    net = Line(1.0)
    student.flow_loss(net, torch.ones(3, 3, 3, 3), torch.zeros(3, 3, 3, 3), 1 - ONE_EACH)
    require(len(net.asked) == 2, "the network was not asked with (x_t, t)")
    expect(net.asked[1], 1 - ONE_EACH, {"the network wants t as (B,), as it came": (1 - ONE_EACH).reshape(3, 1, 1, 1)})
    expect(net.asked[0], *per_image(ONE_EACH))


@task("flow_loss")
def test_flow_loss_gradient(student):
    """The loss moves the network's weights."""
    net = Line(1.0)
    loss = student.flow_loss(net, image(2.0), image(-1.0), torch.tensor([0.25]))
    require(loss.requires_grad, "no gradient reaches the network: do not detach its prediction")
    loss.backward()
    expect(net.weight.grad, torch.tensor(10.625), {"gradient of the sum, not of the mean": torch.tensor(42.5)})


def heun_states(student, velocity=lambda x, t: x + t * t) -> list[Tensor]:
    states = student.heun(velocity, image(1.0), torch.tensor([1.0, 0.5, 0.0]))
    require(states is not None, "nothing comes back: yield the state after each step")
    require(not isinstance(states, Tensor), "yield each state (or return a list of them), not only one tensor")
    return list(states)


@task("heun")
def test_heun_values(student):
    """Each step goes with the mean of the slopes at both its ends."""
    wrong = {
        "this is Euler's method: the second slope is missing": [image(0.0), image(-0.125)],
        "the second slope belongs to the time s, not t": [image(0.25), image(0.0625)],
        "the second slope belongs to the point ahead, not to x": [image(0.1875), image(0.03125)],
        "take the mean of the two slopes, not their sum": [image(-0.125), image(-0.09375)],
        "from t to s the step is s - t, which is negative": [image(2.0625), image(3.4453125)],
        "this is the midpoint method: ask at both ends": [image(0.46875), image(0.29296875)],
        "the start is no result: yield after each step": [image(1.0), image(0.4375), image(0.2421875)],
        "yield after the step, not before": [image(1.0), image(0.4375)],
        "the last step is missing": [image(0.4375)],
        "make a new x in each step: the states that you yielded have changed since": [image(0.2421875)] * 2,
    }
    expect(heun_states(student), [image(0.4375), image(0.2421875)], wrong)


@task("heun")
def test_heun_no_gradient(student):
    """No gradients are recorded."""
    states = heun_states(student, Line(1.0))
    require(not any(state.requires_grad for state in states), "the states carry gradients: work under torch.no_grad()")


@task("inpainted")
def test_inpainted_pixels(student):
    """Known pixels come from the image, the others from the denoiser's guess."""
    mask = torch.tensor([[True, False], [False, False]])
    known, x = torch.full((2, 3, 2, 2), 7.0), torch.ones(2, 3, 2, 2)
    want = torch.where(mask, 7.0, 2.0).expand(2, 3, 2, 2)
    denoise = student.inpainted(lambda x, t: 2 * x, known, mask)
    require(callable(denoise), "return a function of (x_t, t), not its value")
    wrong = {
        "the mask is turned: it is true where pixels are known": torch.where(mask, 2.0, 7.0).expand(2, 3, 2, 2),
        "the known pixels are not set": torch.full((2, 3, 2, 2), 2.0),
        "correct the denoiser's guess, not the noisy state that it gets": torch.where(mask, 14.0, 2.0).expand_as(x),
        "only the first channel is corrected": torch.cat([want[:, :1], 2 * x[:, 1:]], 1),
    }
    expect(denoise(x, torch.tensor(0.5)), want, wrong)


@task("inpainted")
def test_inpainted_unknown(student):
    """What the image holds where it is unknown does not matter."""
    mask = torch.tensor([[True, False], [False, False]])
    known = torch.where(mask, 7.0, float("nan")).expand(1, 1, 2, 2)
    wrong = {"0 times NaN is NaN: choose with torch.where instead of multiplying": known}
    got = student.inpainted(lambda x, t: 2 * x, known, mask)(image(1.0), torch.tensor(0.5))
    expect(got, torch.where(mask, 7.0, 2.0).expand(1, 1, 2, 2), wrong)


@task("meanflow_loss")
def test_meanflow_loss_value(student):
    """The mean squared error against v - (t - r) du/dt."""
    got = student.meanflow_loss(Line(0.5), image(2.0), image(-1.0), torch.tensor([0.25]), torch.tensor([0.5]))
    wrong = {
        "the sign is turned: u = v minus (t - r) du/dt": torch.tensor(19.140625),
        "r stays where it is while t grows: its tangent is 0": torch.tensor(23.765625),
        "t grows with speed 1: its tangent is 1": torch.tensor(15.015625),
        "x_t moves with velocity v while t grows: v is its tangent": torch.tensor(20.25),
        "this is flow matching: the derivative's term is missing": torch.tensor(18.0625),
        "the factor t - r is missing": torch.tensor(14.0625),
        "this is the sum: take the mean": torch.tensor(68.0625),
        "the velocity is turned: from image to noise it is eps - x_0": torch.tensor(1.265625),
    }
    expect(got, torch.tensor(17.015625), wrong)


@task("meanflow_loss")
def test_meanflow_loss_gradient(student):
    """Gradients flow through the prediction and not through the target."""
    net = Line(0.5)
    loss = student.meanflow_loss(net, image(2.0), image(-1.0), torch.tensor([0.25]), torch.tensor([0.5]))
    require(loss.requires_grad, "no gradient reaches the network: only the target is detached")
    loss.backward()
    wrong = {
        "gradients flow through the target: detach it": torch.tensor(-2.0625),
        "gradients flow through the target only: detach it, and not the prediction": torch.tensor(-6.1875),
    }
    expect(net.weight.grad, torch.tensor(4.125), wrong)


@task("meanflow_loss")
def test_meanflow_loss_one_time_an_image(student):
    """Each image has its own times, also where batch and width are equal."""

    def loss(mixing: tuple, span: tuple) -> Tensor:
        t, mix, length = ONE_EACH.reshape(3, 1, 1, 1), ONE_EACH.reshape(mixing), ONE_EACH.reshape(span)
        return ((1 - mix + t**2) - (-1 - length * (2 * t - 1))).expand(3, 3, 3, 3).square().mean()

    got = student.meanflow_loss(Line(1.0), torch.ones(3, 3, 3, 3), torch.zeros(3, 3, 3, 3), torch.zeros(3), ONE_EACH)
    each, width = (3, 1, 1, 1), (1, 1, 1, 3)
    wrong = {SHAPE_HINT + "width": loss(width, width), SHAPE_HINT + "width, in t - r": loss(each, width)}
    expect(got, loss(each, each), wrong)
