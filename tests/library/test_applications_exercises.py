"""What the library's applications do inside is what the exercises ask for."""

import math
from itertools import pairwise

import pytest
import targets
import torch

from course_lib import metrics
from course_lib.applications import anomaly, augmentation, bridge, measures, superresolution
from course_lib.applications.cyclegan import CycleGan
from course_lib.applications.pix2pix import Pix2Pix, critic_loss, fooling_loss
from course_lib.applications.steganography import noise_attack
from course_lib.data.images import Batch
from course_lib.data.textures import textures
from course_lib.gans import games
from course_lib.metrics.regions import regions
from course_lib.metrics.repeats import interval


def exercise(name: str):
    return targets.solution("applications")[name]


def close(ours: torch.Tensor, theirs: torch.Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(theirs, ours, atol=atol, rtol=1e-5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_the_losses_of_pix2pix_in_the_game_of_the_exercise():
    """The paper's game in the place of the relativistic one: values, and who gets a gradient."""
    model = Pix2Pix(size=8, weight=7.0, game=games.nonsaturating)
    x, y, made = torch.rand(3, 2, 3, 8, 8)
    fake, twin = made.clone().requires_grad_(), made.clone().requires_grad_()
    ours = critic_loss(model.game, model.critic, x, fake, y)["loss"]
    close(ours, exercise("discriminator_loss")(model.critic, x, twin, y))
    ours = fooling_loss(model.game, model.critic, x, fake, y) + model.weight * (fake - x).abs().mean()
    theirs = exercise("generator_loss")(model.critic, x, twin, y, model.weight)
    close(ours, theirs)
    close(*torch.autograd.grad(ours, fake), *torch.autograd.grad(theirs, twin))


def test_the_generators_loss_of_pix2pix_is_that_of_the_exercise(monkeypatch):
    model = Pix2Pix(size=8, weight=7.0, game=games.nonsaturating)
    x, y, fake = torch.rand(3, 2, 3, 8, 8)
    monkeypatch.setattr(model, "generate", lambda source: fake)
    close(model.generator_loss(Batch(x, y))["loss"], exercise("generator_loss")(model.critic, x, fake, y, 7.0))


def test_a_walk_over_the_bridge_is_made_of_the_steps_of_the_exercise():
    y, times = torch.randn(2, 3, 4, 4), torch.linspace(1, 0, 6)
    ours = bridge.walk(lambda x, t: x.sin() * t, y, times, 0.7, torch.Generator().manual_seed(1))
    rng, x = torch.Generator().manual_seed(1), y
    for state, (t, s) in zip(ours, pairwise(times), strict=True):
        x = exercise("bridge_step")(x, x.sin() * t, t, s, torch.randn(y.shape, generator=rng), 0.7)
        close(state, x)


def test_the_cycle_of_the_library_is_that_of_the_exercise_without_identity():
    """The library's generators begin as the identity: there the cycle costs nothing, and so does the rest."""
    model = CycleGan(size=8, width=16, depth=1, critic=8)
    x, y = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    assert exercise("cycle_loss")(model.back, model.there, x, y, 1.0, 1.0) == 0
    for part in (model.there.leave, model.back.leave):
        torch.nn.init.normal_(part.weight, std=0.02)
    ours = model.generators_loss(Batch(x, y))["cycle"]
    close(ours, exercise("cycle_loss")(model.back, model.there, x, y, 1.0, 0.0))


def test_the_attack_of_the_library_is_that_of_the_exercise():
    """The library counts in levels of 0..255 and clamps what comes back."""
    x, levels = torch.rand(3, 3, 8, 8) - 0.5, [0.0, 3.0, 12.0]
    there, back = (lambda x: x / 2 + 0.1), (lambda y: 1.9 * y - 0.2)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(4))
    strengths = torch.tensor(levels) / 127.5
    close(noise_attack(there(x), back, x, levels, 4), exercise("attacked")(there, back, x, noise, strengths))


def test_a_consistent_picture_measures_what_it_was_made_from():
    x, low = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 2, 2)
    theirs = exercise("back_projected")(x, low, 4)
    source = low.repeat_interleave(4, 2).repeat_interleave(4, 3)
    close(superresolution.consistent(x, source, 4), theirs)
    assert superresolution.inconsistency(theirs, source, 4) < 1e-4


def test_the_agreement_of_draws_is_that_of_the_exercise():
    drawn, truth = torch.rand(5, 3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    one, least = exercise("distortions")(truth, drawn)
    ours = measures.agreement(drawn, truth)
    assert ours["draw"] == pytest.approx(one.item(), abs=1e-6)
    assert ours["ratio"] == pytest.approx((one / least).item(), rel=1e-4)


def test_heat_by_denoising_is_the_error_of_the_exercise():
    """A time that is named three times is looked at through three noises, the same for all images."""
    x, denoise = torch.rand(4, 2, 6, 6), lambda x_t, t: x_t.sin() * t
    noises = torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(2))
    ours = anomaly.heat_maps(anomaly.by_denoising(denoise, [0.4] * 3, seed=2), x)
    close(ours[:, 0], exercise("rebuilding_error")(denoise, x, torch.tensor(0.4), noises))


def test_the_regions_overlap_of_the_exercise_draws_the_curve_of_aupro():
    pieces = textures(9, seed=0, split="test", size=32)
    maps = pieces.masks.float() + torch.rand(pieces.masks.shape).mul(4).round()  # with ties
    numbers = regions(pieces.masks)[:, 0]
    curve = [exercise("region_overlap")(maps[:, 0], numbers, float(limit)) for limit in maps.unique().flip(0)]
    overlap, false = (torch.tensor([0.0, *part]) for part in zip(*curve))
    assert metrics.aupro(maps, pieces.masks, 1.0) == pytest.approx(torch.trapezoid(overlap, false).item(), abs=1e-5)


def test_the_moves_of_the_library_are_those_of_the_exercise():
    x, mirrored, shift = torch.rand(6, 2, 5, 7), torch.rand(6) < 0.5, torch.randint(-3, 4, (2, 6))
    close(augmentation.moved(x, shift, mirrored), exercise("augmented")(x, mirrored, shift.T))


def test_the_interval_of_repeats_is_that_of_the_exercise():
    """Student's quantile for four degrees of freedom is 2.776."""
    ours, baseline = torch.rand(5), torch.rand(5)
    mean, half = exercise("paired_interval")(ours, baseline, 2.7764)
    known = interval(ours - baseline)
    assert known.mean == pytest.approx(mean, abs=1e-6)
    assert known.high - known.mean == pytest.approx(half, rel=1e-4)
    assert not math.isclose(half, 0.0)
