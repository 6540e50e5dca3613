"""Anomaly detection: heat of models that can be solved, thresholds that keep their promise, a folder of pieces."""

import math

import pytest
import torch
from PIL import Image
from torch import Tensor

from course_lib.applications.anomaly import (
    by_denoising,
    by_likelihood,
    by_reconstruction,
    by_redrawing,
    error,
    expectation,
    heat_maps,
    hidden,
    image_scores,
    measures,
    pixelwise,
)
from course_lib.applications.detecting import Detector, calibrated, conformal_threshold, either_way, fit_detector
from course_lib.data.folder import folder
from course_lib.data.images import to_float, to_uint8
from course_lib.data.textures import textures
from course_lib.diffusion.flow import Flow
from course_lib.metrics import auroc
from course_lib.vaes.autoencoder import Autoencoder
from course_lib.vaes.gaussian import kl_to_prior, reparameterise
from course_lib.vaes.likelihoods import LogisticMixture
from course_lib.vaes.vae import Vae


def noise(n: int = 3, channels: int = 1, size: int = 8) -> Tensor:
    return to_float(torch.randint(256, (n, channels, size, size), dtype=torch.uint8))


def always(image: float):
    """A denoiser of data that is one flat image."""
    return lambda x, t: torch.full_like(x, image)


def normal(x: Tensor, t: Tensor) -> Tensor:
    """The exact denoiser of pixels drawn from N(0, 1), on the line (1 - t, t)."""
    return (1 - t) * x / ((1 - t) ** 2 + t**2)


@pytest.mark.parametrize("by", [by_denoising, by_redrawing])
def test_where_one_image_is_good_heat_is_the_distance_to_it(by):
    x = noise()
    assert torch.allclose(by(always(0.5), (0.3, 0.6))(x), (x - 0.5) ** 2, atol=1e-5)


@pytest.mark.parametrize("t", [0.1, 0.3, 0.5, 0.8])
def test_denoising_heat_of_good_pixels_is_their_posterior_variance(t):
    """x_0 ~ N(0, 1) given x_t has variance t^2 / ((1 - t)^2 + t^2), whatever x_t is."""
    x = torch.randn(400, 1, 8, 8)
    heat = by_denoising(normal, [t] * 8)(x)
    assert heat.mean().item() == pytest.approx(t**2 / ((1 - t) ** 2 + t**2), rel=0.05)


def test_the_error_over_noise_grows_with_what_is_hidden():
    """The more noise, the less of the image is left: redrawing from later leads further away."""
    x = torch.randn(200, 1, 8, 8)
    heats = [by_redrawing(normal, [t], steps=8)(x).mean() for t in (0.1, 0.4, 0.7, 0.95)]
    assert all(a < b for a, b in zip(heats, heats[1:]))


def test_noise_is_the_same_for_each_image_and_each_call():
    x = noise(5)
    one, all_ = hidden(x[:1], (0.2, 0.4), seed=3), hidden(x, (0.2, 0.4), seed=3)
    assert [float(t) for t, _ in all_] == pytest.approx([0.2, 0.4])
    for (_, a), (_, b) in zip(one, all_):
        assert torch.equal(a.expand_as(b), b)
    assert not torch.equal(all_[0][1], all_[1][1])
    assert not torch.equal(all_[0][1], hidden(x, (0.2, 0.4), seed=4)[0][1])


def test_an_images_heat_does_not_depend_on_its_neighbours():
    flow = Flow(channels=1, size=8, width=32, depth=1, classes=2).eval()
    for weight in flow.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    x = noise(4)
    for scorer in (by_denoising(expectation(flow), (0.3,)), by_redrawing(expectation(flow, 1), (0.3,), steps=2)):
        together = heat_maps(scorer, x)
        assert torch.allclose(together, heat_maps(scorer, x, batch=1), atol=1e-5)
    assert not torch.allclose(expectation(flow, 0)(x, torch.tensor(0.3)), expectation(flow, 1)(x, torch.tensor(0.3)))


def test_the_expectation_of_a_flow_is_its_velocity_followed_to_the_end():
    """On the line (1 - t, t), x_0 = x_t - t v."""
    flow = Flow(channels=1, size=8, width=32, depth=1, classes=2).eval()
    torch.nn.init.normal_(flow.net.unfold.weight, std=0.1)
    x, t = noise(2), torch.tensor(0.4)
    velocity = flow.velocity(torch.full((2,), 2))(x, t)
    assert torch.allclose(expectation(flow)(x, t), x - 0.4 * velocity, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_share_an_images_likelihood_out(channels):
    features = torch.randn(2, 2 * (1 + 2 * channels), 5, 6)
    mixture = LogisticMixture.of(features, channels)
    x = to_float(torch.randint(256, (2, channels, 5, 6), dtype=torch.uint8))
    heat = pixelwise(mixture, x)
    assert heat.shape == (2, 1, 5, 6)
    assert torch.allclose(heat.sum((1, 2, 3)), mixture.log_prob(x), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_of_likelihood_heat_is_the_bound_in_bits(channels):
    vae = Vae(channels=channels, size=8, width=8, latent=4, components=2).eval()
    x = noise(5, channels)
    mean, log_variance = vae.encode(x)
    z = reparameterise(mean, log_variance, torch.randn(5, 4, generator=torch.Generator().manual_seed(7)))
    nats = kl_to_prior(mean, log_variance).sum(1) - vae.pixels(z).log_prob(x)
    heat = by_likelihood(vae, seed=7)(x)
    assert torch.allclose(heat.mean((1, 2, 3)), nats / (channels * 64 * math.log(2)), atol=1e-4)


def test_reconstruction_heat_is_the_error_of_what_comes_back():
    model = Autoencoder(channels=3, size=8, width=8, latent=4).eval()
    x = noise(2, 3)
    assert torch.equal(by_reconstruction(model)(x), error(x, model.reconstruct(x)))
    assert torch.allclose(error(x, x + torch.tensor([0.3, 0.0, 0.0])[:, None, None]), torch.tensor(0.03), atol=1e-6)


def test_heat_is_smoothed_by_a_window_that_stays_inside():
    x = torch.zeros(1, 1, 5, 5)
    x[..., 0, 0] = 1
    heat = heat_maps(lambda x: x, x, smooth=3)
    assert heat[0, 0, 0, 0] == pytest.approx(1 / 4)
    assert heat[0, 0, 1, 1] == pytest.approx(1 / 9)
    assert heat[0, 0, 2, 2] == 0


def test_an_images_score_is_the_mean_of_its_hottest_pixels():
    heat = torch.arange(100.0).view(1, 1, 10, 10)
    assert image_scores(heat, 1.0).item() == pytest.approx(49.5)
    assert image_scores(heat, 0.1).item() == pytest.approx(94.5)
    assert image_scores(heat, 1e-6).item() == 99, "at least one pixel"


def test_a_scorer_that_knows_the_masks_is_perfect_and_a_blind_one_is_chance():
    pieces = textures(36, seed=0, split="test")
    seeing = lambda x: pieces.masks.float()
    found = measures(seeing, pieces.x[:, :, :, :], pieces.masks, smooth=1, share=1e-6)
    assert found == pytest.approx({"AUROC": 1, "FPR@95": 0, "pixel AUROC": 1, "AUPRO": 1})
    blind = measures(lambda x: torch.zeros_like(x), pieces.x, pieces.masks)
    assert blind == pytest.approx({"AUROC": 0.5, "FPR@95": 1, "pixel AUROC": 0.5, "AUPRO": 0.15}, abs=1e-6)


def test_the_threshold_is_the_rank_that_keeps_the_promise():
    clean = torch.randperm(99).float() + 1
    assert conformal_threshold(clean, 0.05) == 95
    assert conformal_threshold(clean, 0.01) == 99
    with pytest.raises(ValueError, match="takes at least 199"):
        conformal_threshold(clean, 0.005)


def test_false_alarms_are_as_rare_as_promised_whatever_the_scores():
    """A theorem: over draws of n good scores and one more, P(alarm) = 1 - k / (n + 1) <= the promise."""
    rng = torch.Generator().manual_seed(0)
    draws = torch.rand(20_000, 30, generator=rng).logit().exp()  # heavy tails
    alarms = [row[-1] > conformal_threshold(row[:-1], 0.1) for row in draws]
    assert torch.stack(alarms).double().mean().item() == pytest.approx(0.1, abs=0.008)


def test_a_detector_is_calibrated_by_clean_images_alone():
    clean = torch.linspace(-0.5, 0.5, 39)[:, None, None, None].expand(-1, 1, 8, 8)
    detector = calibrated(by_denoising(always(0.0), (0.5,)), clean, false_alarms=0.05)
    assert detector.threshold == pytest.approx(0.25)
    assert detector.alarms(torch.tensor([0.49, 0.51, -0.9])[:, None, None, None].expand(-1, 1, 8, 8)).tolist() == [
        False,
        True,
        True,
    ]


def test_too_calm_is_odd_as_well():
    """Good heat is log-normal; heat that is e^2 above its median and heat that is e^2 below are equally odd."""
    clean = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(20, -1, -1, -1)
    scorer = either_way(lambda x: x.exp(), clean, smooth=1)
    x = torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None].expand(-1, 1, 8, 8)
    spread = clean.std().item()
    assert torch.allclose(scorer(x)[:, 0, 0, 0], torch.tensor([1 / spread, 0, 1 / spread]), atol=1e-4)
    with pytest.raises(ValueError, match="does not vary"):
        either_way(lambda x: 0 * x, clean)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """Two folders as a learner has them: good dots as PNG and JPEG of several sizes, and pieces to be judged."""
    place = tmp_path_factory.mktemp("pieces")
    for name, data in (("good", textures(120, seed=0, size=32)), ("new", textures(90, seed=1, size=32, split="test"))):
        (place / name).mkdir()
        for i, (x, defect) in enumerate(zip(data.pixels[2::3], data.defects[2::3])):
            picture = (
                Image.fromarray(x[0].numpy()).convert("RGB" if i % 2 else "L").resize([(32, 32), (64, 64)][i % 2], 0)
            )
            kind = "bad" if defect else "good"
            (place / name / kind).mkdir(exist_ok=True)
            picture.save(place / name / kind / f"{i:02}.{'jpg' if i % 3 == 0 else 'png'}", quality=95)
    return place


def test_your_own_folder_of_good_pieces_becomes_a_detector(pieces):
    """The whole way: fit on one folder, judge another, whose subfolders say what is bad."""
    detector = fit_detector(folder(pieces / "good", size=32, channels=1), steps=80, false_alarms=0.1)
    new = folder(pieces / "new", size=32, channels=1)
    assert new.classes == ("bad", "good")
    assert isinstance(detector, Detector)
    assert detector.heat(new.x).shape == (30, 1, 32, 32)
    assert auroc(detector.scores(new.x), new.labels == 0) > 0.75
    alarms = detector.alarms(new.x)
    assert alarms[new.labels == 1].float().mean() <= 0.4
    assert detector.alarms(to_float(to_uint8(torch.rand(5, 1, 32, 32) * 2 - 1))).all(), "noise is no good piece"


def test_few_good_pieces_promise_little(pieces):
    good = folder(pieces / "good", size=32, channels=1)
    with pytest.raises(ValueError, match="40 good images are too few.*takes 76 in all"):
        fit_detector(good, steps=1, false_alarms=0.05)
    with pytest.raises(ValueError, match="too few"):
        fit_detector(good[:2], steps=1)


def test_doors():
    x = noise()
    for times in ((), (0.0,), (1.0,)):
        with pytest.raises(ValueError, match=r"times must be in \(0, 1\)"):
            by_denoising(always(0.0), times)(x)
    with pytest.raises(ValueError, match="what was expected of it"):
        error(x, x[:1])
    with pytest.raises(ValueError, match="smooth must be odd"):
        heat_maps(lambda x: x, x, smooth=4)
    with pytest.raises(ValueError, match="in about"):
        heat_maps(lambda x: x, 255 * x)
    with pytest.raises(ValueError, match="share must be"):
        image_scores(x, 0.0)
    for clean, share in ((torch.zeros(3, 1), 0.5), (torch.tensor([math.nan] * 9), 0.5), (torch.zeros(9), 1.0)):
        with pytest.raises(ValueError, match="finite scores"):
            conformal_threshold(clean, share)
