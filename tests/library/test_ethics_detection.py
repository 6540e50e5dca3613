"""Detectors of generated pictures: spectra with a known answer, honest verdicts, attacks that are what they say."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from course_lib.data.fashion import fashion
from course_lib.data.images import Batch, to_float, to_uint8
from course_lib.diffusion.flow import Flow
from course_lib.ethics import attacks, detection, spectra
from course_lib.ethics.verdicts import share_interval, threshold_at, tpr_at_fpr, verdict
from course_lib.metrics import auroc
from course_lib.vaes.vae import Vae

REAL = fashion("test").pixels[:40]


def wave(u: int, v: int, size: int = 28) -> Tensor:
    """A plane wave of u periods down and v across, stored."""
    rows, columns = torch.arange(size)[:, None], torch.arange(size)
    return to_uint8(0.8 * torch.cos(2 * math.pi / size * (u * rows + v * columns)))[None, None]


@pytest.mark.parametrize(("u", "v", "circle"), [(0, 3, 3), (3, 4, 5), (9, 0, 9), (8, 8, 11)])
def test_a_wave_shines_on_its_own_circle(u, v, circle):
    spectrum = spectra.power_spectrum(wave(u, v))[0]
    assert spectra.radial_profile(wave(u, v))[0].argmax() == circle
    assert sorted(spectrum.flatten().topk(2).indices.tolist()) == sorted(
        [(14 + u) * 28 + 14 + v, (14 - u) * 28 + 14 - v]
    )
    assert spectrum.max().item() == pytest.approx((0.8 * 28 / 2) ** 2, rel=0.01)  # (amplitude N / 2)^2


def test_white_noise_has_its_variance_at_every_frequency():
    """3,000 pictures: each frequency to 6 standard errors, the profile flat to 0.1 (a log of few is low on average)."""
    noise = to_uint8(0.3 * torch.randn(3_000, 1, 28, 28))
    power = spectra.power_spectrum(noise).mean(dim=0)
    assert (power / 0.09 - 1).abs().max() < 6 * math.sqrt(2 / 3_000)
    assert (spectra.radial_profile(noise).mean(dim=0)[1:] - math.log10(0.09)).abs().max() < 0.1


def test_each_frequency_lies_on_one_circle():
    assert spectra.circles(28, 28).flatten().bincount()[:3].tolist() == [1, 8, 12]
    assert spectra.radial_profile(REAL).shape == (40, 15)


def test_a_fingerprint_is_the_ratio_of_powers():
    """Half the contrast: a quarter of the power at every frequency; rounding adds a little, so to 0.01 on average."""
    noise = 0.25 * torch.randn(200, 1, 28, 28)
    print_ = spectra.fingerprint(to_uint8(noise / 2), to_uint8(noise))
    assert (print_ - math.log10(1 / 4)).abs().max() < 0.1
    assert abs(print_.mean() - math.log10(1 / 4)) < 0.01
    assert spectra.fingerprint(REAL, REAL).abs().max() == 0


def test_colours_say_more_or_less():
    more, less, none = spectra.coloured(torch.tensor([5.0, -5.0, 0.0]).reshape(3, 1, 1)).flatten(1).tolist()
    assert none == [1, 1, 1]
    assert more[0] > more[2]
    assert less[0] < less[2]


def test_the_line_finds_what_differs_in_frequency_alone():
    blurred = attacks.blurred(fashion("train").pixels[:200], 0.7)
    detector = spectra.fit_spectral(fashion("train").pixels[:200], blurred)
    unseen = fashion("test").pixels[:200]
    assert scored(detector, unseen, attacks.blurred(unseen, 0.7)) > 0.99
    assert abs(scored(detector, unseen[:100], unseen[100:]) - 0.5) < 0.15


def scored(detector, real: Tensor, fake: Tensor) -> float:
    labels = torch.cat([torch.zeros(len(real)), torch.ones(len(fake))])
    return auroc(torch.cat([detector.scores(real), detector.scores(fake)]), labels)


def test_the_detector_keeps_the_contract():
    batch = Batch(to_float(REAL[:8]), torch.arange(8) % 2)
    model = detection.ConvDetector(width=8)
    terms = model.loss(batch)
    assert terms["loss"].isfinite()
    terms["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert type(model)(**model.config).config == model.config


def test_a_detector_learns_a_faint_checkerboard():
    """Fakes are real pictures with checks of a twelfth of full contrast: found on unseen pictures after 60 steps."""
    images = fashion("train").pixels[:300]
    plain, unseen = images[:150], fashion("test").pixels[:200]
    model = detection.train_detector(detection.pool(plain, board(images[150:])), steps=60)
    assert scored(model, unseen[:100], board(unseen[100:])) > 0.95
    assert model.training is False


def board(pixels: Tensor) -> Tensor:
    checks = ((torch.arange(28)[:, None] + torch.arange(28)) % 2 * 2 - 1).float()
    return to_uint8(to_float(pixels) * 0.9 + 0.08 * checks)


def test_a_pool_holds_as_many_of_each_and_knows_which():
    images = detection.pool(REAL[:5], REAL[5:10])
    assert images.classes == ("real", "fake")
    assert torch.equal(images.pixels[images.labels == 1], REAL[5:10])


def test_attacked_batches_change_pictures_and_keep_labels():
    images = detection.pool(REAL[:20].repeat(5, 1, 1, 1), 255 - REAL[:20].repeat(5, 1, 1, 1))
    batches = detection.attacked(images, lambda pixels, rng: 255 - pixels, seed=0)
    plain = images.batches(detection.BATCH, seed=0)
    ours, theirs = next(batches), next(plain)
    assert torch.equal(ours.y, theirs.y)
    assert torch.allclose(ours.x, -theirs.x, atol=1e-6)
    rng = torch.Generator().manual_seed(0)
    changed = [(detection.random_attack(REAL, rng) != REAL).any().item() for _ in range(30)]
    assert 0 < sum(changed) < 30  # some attack nothing


def test_unsaved_fakes_give_themselves_away():
    """Saved pictures lie on the levels, floats a quarter of a level away: no network needed."""
    floats = torch.rand(50, 1, 28, 28) * 2 - 1
    assert detection.off_levels(to_float(to_uint8(floats))).max() == 0
    assert (detection.off_levels(floats) - 0.25).abs().max() < 0.03


def test_the_share_found_at_a_share_accused():
    negative = torch.arange(1000.0)
    assert threshold_at(negative, 0.01) == 989  # ten are above
    assert tpr_at_fpr(negative, torch.tensor([988.0, 989.0, 990.0, 2000.0])) == 0.5
    assert tpr_at_fpr(torch.zeros(100), torch.zeros(10)) == 0  # who gives all the same score finds nothing


def test_a_verdict_of_gaussians_is_known_and_its_interval_holds_it():
    """One standard deviation apart: AUROC Phi(1 / sqrt 2), TPR Phi(1 - 2.326); 2,000 of each."""
    rng = torch.Generator().manual_seed(1)
    found = verdict(torch.randn(2_000, generator=rng), 1 + torch.randn(2_000, generator=rng))
    phi = lambda z: math.erfc(-z / math.sqrt(2)) / 2
    assert found.auroc == pytest.approx(phi(1 / math.sqrt(2)), abs=0.03)
    assert found.auroc_low < phi(1 / math.sqrt(2)) < found.auroc_high
    assert found.tpr_low < phi(1 - 2.326348) < found.tpr_high
    assert found.auroc_high - found.auroc_low < 0.05


def test_wilson_interval_covers_the_truth_nineteen_times_in_twenty():
    """Over all outcomes of Binomial(50, 0.1), exactly: coverage between 0.93 and 0.98."""
    chances = [math.comb(50, k) * 0.1**k * 0.9 ** (50 - k) for k in range(51)]
    covered = sum(c for k, c in enumerate(chances) if share_interval(k, 50)[0] <= 0.1 <= share_interval(k, 50)[1])
    assert 0.93 < covered < 0.98
    assert share_interval(0, 10)[0] == 0
    assert share_interval(10, 10)[1] == pytest.approx(1)


ATTACKS = [
    partial(attacks.jpeg, quality=60),
    partial(attacks.blurred, sigma=1.0),
    partial(attacks.resized, share=0.5),
    partial(attacks.cropped, share=0.8),
    partial(attacks.noisy, std=0.1),
    attacks.mirrored,
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_attacks_take_and_return_stored_pictures(attack, channels):
    pixels = REAL[:6].repeat(1, channels, 1, 1)
    changed = attack(pixels)
    assert changed.shape == pixels.shape
    assert changed.dtype == torch.uint8
    assert (changed != pixels).any()
    assert (changed.float() - pixels.float()).abs().mean() < 80


def test_attacks_that_do_nothing_do_nothing():
    assert torch.equal(attacks.noisy(REAL, 0.0), REAL)
    assert torch.equal(attacks.resized(REAL, 1.0), REAL)
    assert torch.equal(attacks.cropped(REAL, 1.0), REAL)
    assert torch.equal(attacks.mirrored(attacks.mirrored(REAL)), REAL)
    flat = torch.full((2, 1, 28, 28), 77, dtype=torch.uint8)
    assert torch.equal(attacks.blurred(flat, 1.0), flat)
    assert (attacks.jpeg(flat, 90).int() - 77).abs().max() <= 1


def test_a_better_jpeg_is_closer_and_noise_has_its_size():
    near, far = ((attacks.jpeg(REAL, q).float() - REAL.float()).abs().mean() for q in (95, 20))
    assert near < far
    grey = torch.full((50, 1, 28, 28), 128, dtype=torch.uint8)
    assert to_float(attacks.noisy(grey, 0.1)).std().item() == pytest.approx(0.1, abs=0.003)


def test_pictures_through_other_models():
    vae = Vae(latent=4, width=8)
    assert attacks.regenerated(REAL[:3], vae.reconstruct).shape == (3, 1, 28, 28)
    flow = Flow(channels=1, size=28, width=32, depth=1, classes=3)
    little, much = (attacks.renoised(REAL[:3], flow, strength, steps=2) for strength in (0.01, 0.9))
    error = lambda x: (x.float() - REAL[:3].float()).abs().mean()
    assert error(little) < 5 < error(much)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: attacks.jpeg(REAL, 0), "quality must be in 1..95"),
        (lambda: attacks.blurred(REAL, 0.0), "sigma must be positive"),
        (lambda: attacks.resized(REAL, 1.5), "a share must be in"),
        (lambda: attacks.cropped(REAL, 0.0), "a share must be in"),
        (lambda: attacks.noisy(REAL, -1.0), "std must be 0 or more"),
        (lambda: detection.pool(REAL[:4], REAL[:3]), "as many real as fake"),
        (lambda: detection.ConvDetector().check(Batch(torch.zeros(2, 1, 28, 28), torch.tensor([0, 2]))), "0..1"),
        (lambda: next(detection.ConvDetector().sample(1)), "draws no images"),
        (lambda: spectra.fingerprint(REAL, REAL[..., :20]), "one size"),
        (lambda: spectra.fit_spectral(REAL[:1], REAL), "two pictures of each kind"),
        (lambda: spectra.coloured(torch.zeros(1, 2, 2), 0.0), "span must be positive"),
        (lambda: tpr_at_fpr(torch.zeros(50), torch.zeros(5)), "at least 100 negatives"),
        (lambda: tpr_at_fpr(torch.full((200,), math.nan), torch.zeros(5)), "finite scores"),
        (lambda: share_interval(3, 2), "hits must be 0..n"),
    ],
)
def test_bad_input(call, told):
    with pytest.raises(ValueError, match=told):
        call()
