"""Super-resolution: what is known for sure, and the plane on which ways are compared."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from course_lib.applications.bridge import Bridge
from course_lib.applications.superresolution import (
    bicubic,
    coarse_and_fine,
    consistent,
    inconsistency,
    plane,
)
from course_lib.data.images import Images
from course_lib.model import last


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pictures(n: int = 6, size: int = 16, channels: int = 3) -> torch.Tensor:
    return torch.rand(n, channels, size, size) * 2 - 1


def coarse(x: torch.Tensor) -> torch.Tensor:
    """Each block as its mean, at the size of x."""
    return avg_pool2d(x, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_sources_hold_the_rounded_means_of_blocks():
    pixels = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    pairs = coarse_and_fine(Images(pixels, torch.zeros(5, dtype=torch.int64)))
    assert torch.equal(pairs.target, pixels)
    assert (pairs.source.float() - coarse(pixels.float())).abs().max() <= 0.5
    assert pairs.place.tolist() == [0, 1, 2, 3, 4]


def test_a_consistent_picture_measures_what_was_measured():
    x, source = pictures(), coarse(pictures())
    assert inconsistency(x, source) > 1
    assert inconsistency(consistent(x, source), source) < 1e-4


def test_consistency_is_an_orthogonal_projection():
    x, source = pictures(), coarse(pictures())
    once = consistent(x, source)
    assert (consistent(once, source) - once).abs().max() < 1e-6
    other = consistent(pictures(), source)  # any other picture that fits
    angle = ((x - once) * (other - once)).sum((1, 2, 3))
    assert angle.abs().max() < 1e-4  # what is taken away stands upright on what fits


def test_consistency_never_moves_away_from_the_truth():
    truth, x = pictures(), pictures()
    moved = consistent(x, coarse(truth))
    before, after = ((part - truth).square().sum((1, 2, 3)) for part in (x, moved))
    saved = (x - moved).square().sum((1, 2, 3))
    assert (after - (before - saved)).abs().max() < 1e-3  # Pythagoras
    assert (consistent(truth, coarse(truth)) - truth).abs().max() < 1e-6


def test_bicubic_keeps_what_is_flat_and_does_not_see_below_the_blocks():
    flat = torch.full((2, 3, 16, 16), 0.25)
    assert (bicubic(flat) - flat).abs().max() < 1e-6
    x = pictures()
    assert (bicubic(x) - bicubic(coarse(x))).abs().max() < 1e-5


def test_known_pictures_on_the_plane():
    truth = pictures(40, 16)
    at = plane(truth, truth, coarse(truth))
    assert at.distortion == at.perception == 0
    assert at.psnr == float("inf")
    assert at.inconsistency < 1e-4
    shifted = plane(truth.clamp(-0.8, 0.8) + 0.2, truth.clamp(-0.8, 0.8), coarse(truth))
    assert abs(shifted.distortion - 0.04) < 1e-6
    assert abs(shifted.psnr - 20) < 1e-4


def test_the_mean_is_nearer_and_a_draw_looks_truer():
    """White noise below the blocks: the best guess is flat, a draw is other noise with twice the error."""
    truth, other = pictures(60, 16, 1), pictures(60, 16, 1)
    mean, draw = plane(coarse(truth), truth, coarse(truth)), plane(consistent(other, coarse(truth)), truth, truth)
    assert mean.distortion < 0.6 * draw.distortion
    assert mean.perception > 4 * draw.perception


def test_a_bridge_takes_these_pairs():
    pairs = coarse_and_fine(Images(torch.zeros(3, 1, 16, 16, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)))
    result = last(Bridge(channels=1, size=16).sample(3, pairs.y, steps=2))
    assert result.shape == pairs.x.shape


def test_what_does_not_divide_or_fit_is_refused():
    images = Images(torch.zeros(1, 1, 10, 12, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="do not divide"):
        coarse_and_fine(images)
    with pytest.raises(ValueError, match="do not divide"):
        bicubic(torch.zeros(1, 1, 8, 8), 1)
    with pytest.raises(ValueError, match="shape of its source"):
        consistent(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="needs its truth"):
        plane(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8), torch.zeros(1, 1, 8, 8))
