"""The judge of clothes: pinned, and picky. What all judges share."""

import pytest
import torch

from course_lib.checkpoints import info, pretrained, save
from course_lib.data import load
from course_lib.features import FeatureNet, fashion, fashion_features, fashion_reference, fashion_score, judging
from course_lib.metrics import Statistics, embed, frechet_distance, statistics


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    return load("fashion").x[torch.randperm(5000, generator=torch.Generator().manual_seed(7))[:600]]


def test_it_tells_the_classes_apart():
    test = load("fashion", "test")
    right = (fashion_features().logits(test.x).argmax(dim=1) == test.labels).float().mean()
    assert float(right) == pytest.approx(info("fashion_features")["metrics"]["accuracy"], abs=0.03)


def test_its_unit_is_a_total_variance_of_twenty():
    assert float(fashion_reference().cov.trace()) == pytest.approx(20, abs=0.05)
    assert fashion_reference().n == 55_000


def test_the_bundled_images_have_the_reference_s_mean(real):
    gap = (statistics(embed(real, fashion_features())).mean - fashion_reference().mean).square().sum()
    assert float(gap) < 0.1  # 20 / 600 is expected


def test_distances_rank_what_is_wrong(real):
    blurred = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
    collapsed = real[:1] + 0.01 * torch.randn(600, 1, 28, 28)
    sets = {"real": real, "blurred": blurred, "one image": collapsed}
    scores = {name: fashion_score(images) for name, images in sets.items()}
    assert scores["real"].excess == pytest.approx(0, abs=0.05)
    assert scores["blurred"].distance > scores["real"].distance + 1
    assert scores["one image"].distance > scores["blurred"].distance
    assert scores["one image"].recall < 0.05


def test_a_missing_class_costs_what_the_module_says():
    clothes, net = load("fashion"), fashion_features()
    seen = embed(clothes.x, net)
    without = [frechet_distance(fashion_reference(), seen[clothes.labels != k]) for k in range(10)]
    assert sum(without) / 10 == pytest.approx(0.58, abs=0.01)


@pytest.mark.parametrize("n", [1, 128, 5001])
def test_too_few_and_too_many_images_are_refused(n):
    with pytest.raises(ValueError, match="can be scored"):
        fashion_score(torch.zeros(n, 1, 28, 28))


def test_a_wrong_range_is_refused(real):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        fashion_score((real + 1) / 2)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        fashion_score(real * 100)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="images must be"):
        FeatureNet()(torch.zeros(2, 3, 28, 28))


def test_another_net_than_the_pinned_one_is_refused(monkeypatch):
    monkeypatch.setattr(fashion, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the feature net of this version"):
        fashion_features.__wrapped__()


def test_a_judge_draws_nothing():
    with pytest.raises(ValueError, match="draws no images"):
        FeatureNet().sample(3)


def test_a_net_is_saved_where_it_lives_now_and_loads_from_where_it_lived(tmp_path):
    path = tmp_path / "net.safetensors"
    save(path, fashion_features(), recipe="none", data="none", seed=0, metrics={})
    assert info(str(path))["model"] == "course_lib.features.net:FeatureNet"
    assert info("fashion_features")["model"] == "course_lib.features:FeatureNet"
    assert type(pretrained("fashion_features")) is FeatureNet


def test_the_unit_gives_features_the_stated_variance():
    features = torch.randn(500, 8) * torch.arange(1, 9)
    scaled = features * judging.unit(features)
    assert float(scaled.var(dim=0).sum()) == pytest.approx(judging.TOTAL_VARIANCE, abs=1e-4)


def test_statistics_come_back_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.setattr(judging.checkpoints, "WEIGHTS", tmp_path)
    found = statistics(torch.randn(50, 4))
    judging.write_statistics("some", found)
    read = judging.shipped_statistics("some")
    assert isinstance(read, Statistics)
    assert read.n == 50
    torch.testing.assert_close(read.mean, found.mean.float(), atol=0, rtol=0)
    torch.testing.assert_close(read.cov, found.cov.float(), atol=0, rtol=0)
