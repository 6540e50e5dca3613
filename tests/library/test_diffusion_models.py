"""The image models: what they compute where it is known, and what they refuse."""

import pytest
import torch

from course_lib.data.images import Batch
from course_lib.diffusion.ddpm import Ddpm
from course_lib.diffusion.edm import Edm
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.meanflow import MeanFlow, target, two_times
from course_lib.diffusion.reflow import Reflow, couples
from course_lib.model import last
from course_lib.nn.embeddings import sinusoidal
from course_lib.nn.unet import Attention, ResBlock, UNet
from course_lib.training import train_steps

SMALL = {"channels": 1, "size": 8, "width": 32, "depth": 1, "classes": 3}
FAMILIES = [Flow, Ddpm, Edm, MeanFlow]


def batch(**changed) -> Batch:
    good = {"x": torch.rand(4, 1, 8, 8) * 2 - 1, "y": torch.arange(4) % 3}
    return Batch(**good | changed)


def awake(model: Flow) -> Flow:
    """With weights where training starts from zeros."""
    for p in model.parameters():
        if not p.any():
            torch.nn.init.normal_(p, std=0.1)
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(4, 1, 8, 8, dtype=torch.uint8)}, "floats in"),
        ({"x": torch.full((4, 1, 8, 8), float("nan"))}, "finite"),
        ({"x": 255 * torch.rand(4, 1, 8, 8)}, "about"),
        ({"x": torch.zeros(4, 1, 16, 16)}, "8, 8"),
        ({"x": torch.zeros(4, 3, 8, 8)}, "1, 8, 8"),
        ({"y": torch.arange(3)}, "do not go with"),
        ({"y": torch.rand(4)}, "int64"),
        ({"y": torch.tensor([0, 1, 2, 4])}, "labels must be in 0..2"),
        ({"y": torch.tensor([0, -1, 2, 2])}, "labels must be in 0..2"),
    ],
)
def test_training_refuses_what_does_not_fit(family, changed, message):
    with pytest.raises(ValueError, match=message):
        next(iter(train_steps(family(**SMALL), iter([batch(**changed)]), 1)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "at least one image"),
        ({"n": 2, "y": torch.tensor([0])}, "int64 labels, one an image"),
        ({"n": 2, "y": torch.tensor([0.0, 1.0])}, "int64"),
        ({"n": 2, "y": torch.tensor([0, 9])}, "labels must be in"),
        ({"n": 2, "noise": torch.randn(2, 1, 28, 28)}, "noise must be"),
        ({"n": 2, "steps": 0}, "at least one step"),
        ({"n": 2, "y": torch.zeros(2, dtype=torch.int64, device="meta")}, "meta"),
    ],
)
def test_sampling_refuses_what_does_not_fit(family, asked, message):
    model = family(**SMALL)
    with pytest.raises(ValueError, match=message):
        next(model.sample(**asked))


@pytest.mark.parametrize("bad", [{"size": 10}, {"drop": 1.5}, {"drop": -0.1}])
def test_models_that_cannot_be_built(bad):
    with pytest.raises(ValueError, match="size must be a multiple of 4"):
        Flow(**SMALL | bad)


@pytest.mark.parametrize("bad", [{"width": 16}, {"width": 0}, {"channels": 0}, {"depth": 0}, {"classes": 0}])
def test_networks_that_cannot_be_built(bad):
    with pytest.raises(ValueError, match="multiple of 32"):
        Flow(**SMALL | bad)


def test_the_network_refuses_wrong_shapes():
    net = UNet(1, 32, 1, 3)
    with pytest.raises(ValueError, match="multiples of 4"):
        net(torch.zeros(2, 1, 10, 8), torch.zeros(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="one an image"):
        net(torch.zeros(2, 1, 8, 8), torch.zeros(1), torch.zeros(2, dtype=torch.int64))


def test_an_untrained_network_predicts_zero_and_its_blocks_are_the_identity():
    x, condition = torch.randn(2, 64, 4, 4), torch.randn(2, 16)
    assert torch.equal(ResBlock(64, 64, 16)(x, condition), x)
    assert torch.equal(Attention(64)(x, condition), x)
    assert torch.equal(
        UNet(1, 32, 1, 3)(torch.randn(2, 1, 8, 8), torch.rand(2), torch.tensor([0, 3])), torch.zeros(2, 1, 8, 8)
    )


def test_attention_equals_pytorch_s():
    block, x = Attention(128), torch.randn(2, 128, 3, 3)
    torch.nn.init.eye_(block.out.weight.data.view(128, 128))
    q, k, v = block.qkv(block.norm(x)).reshape(2, 3, 2, 64, 9).transpose(3, 4).unbind(1)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(2, 128, 3, 3)
    assert torch.allclose(block(x, torch.zeros(2, 1)) - x, expected, atol=1e-5)


def test_sinusoids_are_points_on_circles():
    points = sinusoidal(torch.rand(5), 8)
    assert torch.allclose(points[:, :4] ** 2 + points[:, 4:] ** 2, torch.ones(5, 4), atol=1e-6)
    with pytest.raises(ValueError, match="even"):
        sinusoidal(torch.rand(5), 7)


def test_flow_loss_of_a_zero_network_is_the_mean_square_of_noise_minus_image():
    x = torch.full((4096, 1, 8, 8), 0.5)
    loss = Flow(**SMALL).loss(Batch(x, torch.zeros(4096, dtype=torch.int64)))["loss"]
    assert float(loss.detach()) == pytest.approx(1.25, abs=0.02)  # E (eps - 0.5)^2 = 1 + 0.25


def test_guidance_at_scale_one_costs_and_changes_nothing():
    model = awake(Flow(**SMALL))
    noise = torch.randn(3, 1, 8, 8)
    assert torch.equal(*(last(model.sample(3, steps=4, noise=noise, **g)) for g in ({}, {"guidance": 1.0})))
    assert not torch.equal(*(last(model.sample(3, steps=4, noise=noise, guidance=g)) for g in (1.0, 3.0)))


def test_hidden_labels_are_as_frequent_as_stated():
    model = Flow(**SMALL | {"drop": 0.25})
    hidden = (model.hide(torch.zeros(20_000, dtype=torch.int64)) == 3).float().mean()
    assert float(hidden) == pytest.approx(0.25, abs=0.02)


def test_mean_flow_identity_on_a_path_that_is_known():
    """x' = x: v = x, and the average velocity over [r, t] is x_t (1 - e^(r - t)) / (t - r)."""

    def average(x, r, t):
        span = (t - r)[:, None, None, None]
        return x * (1 - torch.exp(-span)) / span

    x, r, t = torch.randn(6, 1, 2, 2).double(), torch.full((6,), 0.2).double(), torch.linspace(0.4, 0.9, 6).double()
    u, du_dt = torch.func.jvp(average, (x, r, t), (x, torch.zeros_like(r), torch.ones_like(t)))
    assert torch.allclose(target(x, du_dt, r, t), u, atol=1e-12)


def test_mean_flow_targets_carry_no_gradient():
    v = torch.randn(2, 1, 2, 2, requires_grad=True)
    assert not target(v, 3 * v, torch.zeros(2), torch.ones(2)).requires_grad


def test_mean_flow_times_are_ordered_and_half_of_them_equal():
    r, t = two_times(torch.zeros(20_000, 1, 1, 1))
    assert (r <= t).all()
    assert float((r == t).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_a_student_starts_as_its_teacher():
    teacher = awake(Flow(**SMALL))
    student = MeanFlow.from_flow(teacher, scale=1.0)
    teacher.net.to(memory_format=torch.contiguous_format)  # as the student's: another layout rounds otherwise
    x, t, y = torch.randn(3, 1, 8, 8), torch.full((3,), 0.6), torch.tensor([0, 1, 2])
    assert torch.allclose(student.average(x, t - 0.3, t, y), teacher.net(x, t, y), atol=1e-6)
    assert sum(p.numel() for p in student.parameters()) < 2 * sum(p.numel() for p in teacher.parameters())


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_student_learns_its_teacher_s_guided_field(scale):
    teacher = awake(Flow(**SMALL))
    student = MeanFlow.from_flow(teacher, scale)
    x, t, y = torch.randn(3, 1, 8, 8), torch.tensor([0.2, 0.5, 0.9]), torch.tensor([0, 1, 2])
    with torch.no_grad():
        wanted, free = teacher.net(x, t, y), teacher.net(x, t, teacher.any_of(y))
    v = student._velocity(x, t, y, straight=torch.zeros_like(x))
    assert torch.allclose(v, free + scale * (wanted - free), atol=1e-5)
    assert not v.requires_grad
    assert student.loss(batch())["loss"].isfinite()


def test_reflow_trains_on_the_couples_that_its_teacher_makes():
    teacher = awake(Flow(**SMALL))
    pair = next(couples(teacher, size=5, steps=3))
    x0, eps = pair.x.chunk(2, dim=1)
    assert torch.equal(x0, last(teacher.sample(5, pair.y, steps=3, noise=eps)))
    assert Reflow(**SMALL).loss(pair)["loss"].isfinite()
