"""Every metric against an answer known without it: a closed form, brute force, or torchmetrics."""

import math

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from course_lib import metrics
from course_lib.metrics import (
    Score,
    Statistics,
    auroc,
    embed,
    evaluate,
    floor,
    frechet_distance,
    kernel_distance,
    precision_recall,
    psnr,
    score,
    squared_mmd,
    ssim,
    statistics,
)


def normal(n: int, dim: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def gaussian(mean: list[float], cov: list[list[float]]) -> Statistics:
    return Statistics(torch.tensor(mean), torch.tensor(cov), 1000)


# Fréchet distance


def test_frechet_of_lines_is_difference_of_means_and_deviations():
    # W2^2 of N(1, 2^2) and N(4, 5^2) is (1 - 4)^2 + (2 - 5)^2
    assert frechet_distance(gaussian([1.0], [[4.0]]), gaussian([4.0], [[25.0]])) == pytest.approx(18, abs=1e-9)


def test_frechet_of_commuting_covariances_compares_their_roots():
    turn = torch.linalg.qr(normal(4, 4).double())[0]
    a, b = torch.tensor([1.0, 2, 3, 4]).double(), torch.tensor([2.0, 0.5, 0, 7]).double()
    zero = torch.zeros(4).double()
    real, fake = (Statistics(zero, turn @ torch.diag(s**2) @ turn.T, 1000) for s in (a, b))
    assert frechet_distance(real, fake) == pytest.approx((a - b).square().sum().item(), abs=1e-7)


def test_frechet_of_2x2_covariances_that_do_not_commute():
    # For 2 x 2 matrices tr (AB)^(1/2) = (tr AB + 2 det(AB)^(1/2))^(1/2); here tr AB = 5, det AB = 4.
    real, fake = gaussian([0.0, 0.0], [[2.0, 0.0], [0.0, 2.0]]), gaussian([0.0, 0.0], [[1.5, 0.5], [0.5, 1.0 / 3]])
    product = real.cov @ fake.cov
    overlap = math.sqrt(product.trace() + 2 * math.sqrt(product.det()))
    expected = 4 + fake.cov.trace().item() - 2 * overlap
    assert frechet_distance(real, fake) == pytest.approx(expected, abs=1e-6)


def test_frechet_of_a_shift_is_its_squared_length():
    features = normal(200)
    shift = torch.tensor([1.0, -2, 0, 0.5, 0, 3])
    assert frechet_distance(features, features + shift) == pytest.approx(14.25, abs=1e-4)


def test_frechet_is_zero_for_equal_sets_and_symmetric():
    a, b = normal(300), 2 * normal(200, seed=1) + 1
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-9)
    assert frechet_distance(statistics(a), b) == pytest.approx(frechet_distance(a, b), abs=1e-12)


class Flatten(nn.Module):
    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def test_frechet_agrees_with_torchmetrics():
    real, fake = normal(100, 12).double(), normal(80, 12, seed=1).double() ** 3
    oracle = FrechetInceptionDistance(Flatten(), normalize=True, input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    oracle.update(real.view(-1, 3, 2, 2), real=True)
    oracle.update(fake.view(-1, 3, 2, 2), real=False)
    assert frechet_distance(real, fake) == pytest.approx(oracle.compute().item(), abs=1e-8)


def test_statistics_are_unbiased():
    features = normal(50)
    mean, cov, n = statistics(features)
    assert n == 50
    assert mean.dtype == cov.dtype == torch.float64
    torch.testing.assert_close(cov, torch.cov(features.double().T), atol=1e-12, rtol=0)


def test_one_missing_class_and_blur_are_farther_than_the_floor():
    centres = 4 * normal(5, 6, seed=9)
    whole = normal(2000) + centres.repeat(400, 1)
    without = normal(1000, seed=1) + centres[:4].repeat(250, 1)
    assert frechet_distance(whole, without) > 20 * floor(whole, 1000)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (torch.randn(6, 6), "too few"),
        (torch.randn(100, 5), "same features"),
        (torch.full((100, 6), torch.nan), "finite"),
        (torch.randn(100, 6, 1), r"\(N, D\)"),
        (torch.zeros(100, 6, dtype=torch.uint8), "float"),
        (torch.zeros(0, 6), "empty"),
        (Statistics(torch.zeros(6), torch.eye(5), 10), "cov"),
        (Statistics(torch.zeros(6), torch.full((6, 6), torch.inf), 10), "finite"),
        (Statistics(torch.zeros(6), torch.ones(6, 6).triu(), 10), "symmetric"),
    ],
)
def test_frechet_refuses(bad, reason):
    with pytest.raises(ValueError, match=reason):
        frechet_distance(normal(100), bad)
    with pytest.raises(ValueError, match=reason):
        frechet_distance(bad, normal(100))


# Kernel distance


def test_squared_mmd_agrees_with_torchmetrics():
    real, fake = normal(60).double(), normal(60, seed=1).double() + 0.3
    assert squared_mmd(real, fake) == pytest.approx(poly_mmd(real, fake).item(), abs=1e-10)


def test_squared_mmd_agrees_with_its_definition():
    real, fake = [[1.0], [2.0]], [[0.0], [3.0], [1.0]]
    k = lambda x, y: (x[0] * y[0] + 1) ** 3
    within = k(*real)  # the only pair
    others = (k(fake[0], fake[1]) + k(fake[0], fake[2]) + k(fake[1], fake[2])) / 3
    across = sum(k(x, y) for x in real for y in fake) / 6
    expected = within + others - 2 * across
    assert squared_mmd(torch.tensor(real), torch.tensor(fake)) == pytest.approx(expected, abs=1e-9)


def test_kernel_distance_is_unbiased_and_knows_its_error():
    real = normal(100_000, seed=3)
    near = kernel_distance(real, normal(100_000, seed=4), block=100)
    assert abs(near.value) < 4 * near.error
    far = kernel_distance(real, normal(100_000, seed=5) + 0.1, block=100)
    assert far.value > 10 * far.error
    quarter = kernel_distance(real[:25_000], normal(25_000, seed=4), block=100)
    assert quarter.error == pytest.approx(2 * near.error, abs=0.5 * near.error)  # a quarter of the blocks


def test_kernel_distance_of_a_shift_is_known():
    # D = 1, x ~ N(0, 1), y = x + s: the kernel's features are 1, x, x^2, x^3 with weights 1, 3, 3, 1,
    # so MMD^2 = 3 s^2 + 3 (s^2)^2 + (3 s + s^3)^2.
    s = 0.5
    expected = 3 * s**2 + 3 * s**4 + (3 * s + s**3) ** 2
    found = kernel_distance(normal(100_000, 1), normal(100_000, 1, seed=1) + s, block=500)
    assert found.value == pytest.approx(expected, abs=4 * found.error)
    assert found.error < 0.05 * expected


def test_kernel_distance_does_not_depend_on_the_order():
    real = normal(1000)
    real = real[real[:, 0].argsort()]
    sorted_by_class = kernel_distance(real, normal(1000, seed=1), block=100)
    assert abs(sorted_by_class.value) < 0.5


@pytest.mark.parametrize(
    ("n", "block", "reason"), [(150, 100, "two blocks"), (100, 1, "at least 2"), (100, 0, "at least 2")]
)
def test_kernel_distance_refuses(n, block, reason):
    with pytest.raises(ValueError, match=reason):
        kernel_distance(normal(500), normal(n), block=block)


def test_kernel_distance_refuses_other_features():
    with pytest.raises(ValueError, match="same features"):
        kernel_distance(normal(500), normal(500, 5), block=100)
    with pytest.raises(ValueError, match="at least 2"):
        squared_mmd(normal(5), normal(1))


# Precision and recall


def brute_force(real: Tensor, fake: Tensor, k: int) -> tuple[float, float]:
    def inside(point: Tensor, territory: Tensor) -> bool:
        for i, centre in enumerate(territory):
            others = torch.cat([territory[:i], territory[i + 1 :]])
            radius = (others - centre).norm(dim=1).sort().values[k - 1]
            if (point - centre).norm() <= radius:
                return True
        return False

    return (
        sum(inside(x, real) for x in fake) / len(fake),
        sum(inside(x, fake) for x in real) / len(real),
    )


@pytest.mark.parametrize("k", [1, 3])
def test_precision_recall_agrees_with_brute_force(k):
    real, fake = normal(40, 3), 1.5 * normal(30, 3, seed=1) + 0.5
    assert precision_recall(real, fake, k) == pytest.approx(brute_force(real, fake, k), abs=1e-12)


def test_precision_recall_in_chunks(monkeypatch):
    real, fake = normal(50, 3), normal(45, 3, seed=1) + 0.5
    whole = precision_recall(real, fake)
    monkeypatch.setattr(metrics.coverage, "ROWS", 7)
    assert precision_recall(real, fake) == whole


def test_precision_recall_of_known_constructions():
    real = normal(200)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 1000) == (0, 0)
    left = real[real[:, 0] < 0]
    precision, recall = precision_recall(real, left)
    assert precision == 1
    assert recall < 0.95


def test_mode_collapse_lowers_recall_and_noise_lowers_precision():
    centres = 20 * normal(4, 6, seed=9)
    real = normal(400) + centres.repeat(100, 1)
    collapsed = precision_recall(real, normal(400, seed=1) + centres[0])
    assert collapsed.precision > 0.8
    assert collapsed.recall == pytest.approx(0.25, abs=0.05)  # one of four modes
    mixed = torch.cat([normal(200, seed=1) + centres.repeat(50, 1), 100 + normal(200, seed=2)])
    assert precision_recall(real, mixed).precision == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("k", [0, 10])
def test_precision_recall_refuses_k(k):
    with pytest.raises(ValueError, match="k must be"):
        precision_recall(normal(10), normal(20), k)


# Scores of images


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_embed_batches_clips_and_needs_no_gradient():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    images = 1.2 * pictures(23)
    out = embed(images, net, batch=10)
    assert out.shape == (23, 4)
    assert out.dtype == torch.float32
    assert not out.requires_grad
    torch.testing.assert_close(out, net(images.clamp(-1, 1)).detach(), atol=1e-6, rtol=0)  # eval mode from now on


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (torch.zeros(4, 1, 2, 3, dtype=torch.uint8), "uint8"),
        (torch.rand(4, 1, 2, 3), r"\[0, 1\]"),
        (torch.rand(4, 1, 2, 3) * 255 - 1, r"0\.\.255"),
        (torch.tensor([-2.1, 0.0]).view(2, 1, 1, 1), "clamp"),
        (torch.full((4, 1, 2, 3), torch.nan), "finite"),
        (-torch.ones(4, 2, 3), r"\(N, C, H, W\)"),
        (-torch.ones(0, 1, 2, 3), r"\(N, C, H, W\)"),
    ],
)
def test_embed_refuses(bad, reason):
    with pytest.raises(ValueError, match=reason):
        embed(bad, nn.Flatten())


def test_embed_refuses_features_that_are_not_vectors():
    with pytest.raises(ValueError, match=r"\(n, D\)"):
        embed(pictures(4), lambda x: x)
    with pytest.raises(ValueError, match="batch"):
        embed(pictures(4), nn.Flatten(), batch=0)


def test_real_images_have_no_excess_and_noise_has():
    real = pictures(4000)
    fair = evaluate(pictures(1000, seed=1), real, nn.Flatten())
    assert fair.n == 1000
    assert fair.excess == fair.distance - fair.floor
    assert abs(fair.excess) < fair.floor
    assert min(fair.precision, fair.recall) > 0.9
    poor = evaluate(pictures(1000, seed=1) * 0.1, real, nn.Flatten())
    assert poor.excess > 10 * poor.floor
    assert poor.recall < 0.1 < 0.9 < poor.precision
    assert "recall 0.0" in str(poor)


def test_floor_falls_with_the_number_of_samples():
    real = normal(8000)
    assert floor(real, 250) > 2 * floor(real, 1000) > 0
    assert floor(real, 250) == floor(real, 250)
    assert isinstance(score(real, normal(1000, seed=1)), Score)
    assert score(real, normal(1000, seed=1)).floor == floor(real, 1000)


@pytest.mark.parametrize("n", [0, 51])
def test_floor_refuses(n):
    with pytest.raises(ValueError, match="real features"):
        floor(normal(100), n)


def test_score_refuses():
    with pytest.raises(ValueError, match="kept out"):
        score(normal(100), normal(60))
    with pytest.raises(ValueError, match="too few"):
        score(normal(100), normal(6))
    with pytest.raises(ValueError, match="same features"):
        score(normal(100), normal(20, 5))


# Pixels


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), -0.02)])
    torch.testing.assert_close(psnr(x, y), torch.tensor([20.0, 40.0]), atol=1e-4, rtol=0)
    assert psnr(x, x).isinf().all()


def test_psnr_and_ssim_agree_with_torchmetrics():
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(3, 3, 20, 17, generator=rng) * 2 - 1
    y = (x + 0.3 * torch.randn(x.shape, generator=rng)).clamp(-1, 1)
    for i in range(3):
        one, other = x[i : i + 1], y[i : i + 1]
        assert psnr(x, y)[i] == pytest.approx(peak_signal_noise_ratio(other, one, (-1.0, 1.0)).item(), abs=1e-4)
    oracle = structural_similarity_index_measure(y, x, data_range=2.0, reduction="none")
    torch.testing.assert_close(ssim(x, y), oracle, atol=1e-5, rtol=0)


def test_ssim_of_known_images():
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(ssim(x, x), torch.ones(2), atol=1e-5, rtol=0)
    # Flat images have no structure to compare: (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.02^2
    flat = ssim(torch.full((1, 1, 12, 12), 0.5), torch.full((1, 1, 12, 12), 0.25))
    assert flat.item() == pytest.approx((0.25 + 0.0004) / (0.3125 + 0.0004), abs=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (torch.zeros(1, 1, 16, 15), r"\(N, C, H, W\)"),
        (torch.zeros(1, 1, 16, 16, dtype=torch.uint8), "to_float"),
        (torch.full((1, 1, 16, 16), 200.0), r"\[-1, 1\]"),
        (torch.full((1, 1, 16, 16), torch.inf), "finite"),
    ],
)
def test_pixel_metrics_refuse(metric, bad, reason):
    with pytest.raises(ValueError, match=reason):
        metric(torch.zeros(1, 1, 16, 16), bad)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11"):
        ssim(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))


# Ranking


def test_auroc_of_known_rankings():
    labels = torch.tensor([0, 0, 1, 1])
    assert auroc(torch.tensor([1.0, 2, 3, 4]), labels) == 1
    assert auroc(torch.tensor([4.0, 3, 2, 1]), labels) == 0
    assert auroc(torch.ones(4), labels) == 0.5
    assert auroc(torch.tensor([1.0, 3, 2, 4]), labels.bool()) == 0.75


def test_auroc_agrees_with_all_pairs_and_torchmetrics():
    rng = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 8, (60,), generator=rng).float() / 8  # many ties
    labels = torch.randint(0, 2, (60,), generator=rng)
    gaps = scores[labels == 1, None] - scores[labels == 0]
    pairs = ((gaps > 0).double() + 0.5 * (gaps == 0)).mean().item()
    assert auroc(scores, labels) == pytest.approx(pairs, abs=1e-12)
    assert auroc(scores, labels) == pytest.approx(binary_auroc(scores, labels).item(), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        (torch.zeros(3), torch.tensor([0, 1]), r"\(N,\)"),
        (torch.zeros(2), torch.tensor([1, 1]), "both classes"),
        (torch.zeros(2), torch.tensor([1, -1]), "0 or 1"),
        (torch.tensor([0.0, torch.nan]), torch.tensor([1, 0]), "finite"),
    ],
)
def test_auroc_refuses(scores, labels, reason):
    with pytest.raises(ValueError, match=reason):
        auroc(scores, labels)
