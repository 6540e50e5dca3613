"""What does not belong: scores, and the likelihood paradox with its correction."""

import math
import zlib

import pytest
import torch

from course_lib.data import load
from course_lib.data.images import to_float, to_uint8
from course_lib.metrics import auroc
from course_lib.vaes.anomaly import atypicality, beyond_complexity, complexity, reconstruction_error, surprise


def noise(n: int, channels: int = 1, size: int = 28) -> torch.Tensor:
    return to_float(torch.randint(256, (n, channels, size, size), dtype=torch.uint8))


def flat(n: int, channels: int = 1, size: int = 28) -> torch.Tensor:
    return torch.linspace(-1, 1, n)[:, None, None, None].expand(n, channels, size, size)


def ranks(normal: torch.Tensor, odd: torch.Tensor) -> float:
    """AUROC of scores for the detection of the odd ones."""
    return auroc(torch.cat([normal, odd]), torch.arange(len(normal) + len(odd)) >= len(normal))


def test_the_error_of_a_reconstruction_is_its_mean_square():
    x = noise(3)
    assert torch.equal(reconstruction_error(x, x), torch.zeros(3))
    assert torch.allclose(reconstruction_error(flat(3), flat(3) * 0.5), torch.tensor([0.25, 0.0, 0.25]), atol=1e-6)


def test_surprise_is_the_bound_in_bits_a_dimension():
    weights = torch.full((4, 3), -784 * math.log(256))
    assert torch.allclose(surprise(noise(3), weights), torch.full((3,), 8.0), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_flat_images_cost_nothing_and_noise_all_its_bits(channels):
    assert (complexity(flat(5, channels)) < 0.25).all()
    bits = complexity(noise(20, channels, 32))
    assert ((bits > 8) & (bits < 8.6)).all()


def test_complexity_is_the_length_of_the_compressed_rows_alone():
    """Nothing of the frame: the flat image's data are one filter byte a row and the row, deflated."""
    row = bytes(1 + 28)
    assert float(complexity(-torch.ones(1, 1, 28, 28))) * 784 / 8 == pytest.approx(
        len(zlib.compress(row * 28, 9)), abs=4
    )


def test_complexity_orders_images_by_their_detail():
    x = load("fashion", "test").x[:50]
    smooth = torch.nn.functional.avg_pool2d(x, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    for plain, rich in [(flat(50), smooth), (smooth, x), (x, noise(50))]:
        assert (complexity(plain) < complexity(rich)).float().mean() > 0.95


def test_an_image_known_to_the_model_costs_less_than_the_compressor_needs():
    x = noise(4)
    assert torch.allclose(beyond_complexity(torch.full((4,), 3.0), x), 3 - complexity(x), atol=1e-6)


class PixelHistograms:
    """The simplest likelihood model of images: each pixel's distribution over levels, independent of the others'."""

    def __init__(self, x: torch.Tensor) -> None:
        levels = to_uint8(x).flatten(1).long()
        counts = torch.ones(784, 256).scatter_add_(1, levels.T, torch.ones(784, len(x)))
        self.log_p = (counts / counts.sum(1, keepdim=True)).log()

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        log_p = self.log_p.gather(1, to_uint8(x).flatten(1).long().T).sum(0)
        return surprise(x, log_p[None])


def test_the_likelihood_paradox_and_its_correction():
    """Under a model of clothes, clothes cost more than a speck on black, which it never draws; beyond PNG, less."""
    clothes, model = load("fashion", "test").x[:300], PixelHistograms(load("fashion").x)
    odd = torch.full((300, 1, 28, 28), -1.0)
    odd[:, :, 13:15, 13:15] = noise(300, size=2)
    bits, odd_bits = model.bits(clothes), model.bits(odd)
    assert ranks(bits, odd_bits) < 0.05
    assert ranks(beyond_complexity(bits, clothes), beyond_complexity(odd_bits, odd)) > 0.9


def test_too_likely_is_atypical():
    """In 784 dimensions the mode of N(0, 1) has the greatest density, and no draw is anywhere near it."""
    bits = (torch.randn(1000, 784).square() / 2 / math.log(2)).mean(1)
    usual, normal, odd = bits[:500], bits[500:], torch.zeros(500)
    assert ranks(normal, odd) == 0
    assert ranks(atypicality(normal, usual), atypicality(odd, usual)) == 1
    assert torch.allclose(atypicality(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 4.0])), torch.tensor([2.0, 2.0]))


def test_scores_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="its reconstruction"):
        reconstruction_error(noise(2), noise(1))
    with pytest.raises(ValueError, match="reconstruction must be finite"):
        reconstruction_error(noise(2), noise(2) * math.nan)
    with pytest.raises(ValueError, match="k draws for each image"):
        surprise(noise(2), torch.zeros(5, 1))
    with pytest.raises(ValueError, match="grey .* or colour"):
        complexity(noise(2, channels=2))
    with pytest.raises(ValueError, match="in about"):
        complexity(noise(2) * 100)
    with pytest.raises(ValueError, match="one number of bits"):
        beyond_complexity(torch.zeros(3), noise(2))
    with pytest.raises(ValueError, match="at least one normal image"):
        atypicality(torch.zeros(3), torch.zeros(0))
