"""ROC curves, FPR@95, connected regions and AUPRO: known answers, identities, and other people's programs."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import auc, roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_roc

from course_lib.metrics import aupro, auroc, fpr_at, pixel_auroc, roc
from course_lib.metrics.regions import regions


def ranked(n: int = 200, levels: int = 30, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores with many ties, and labels that they say something of."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.rand(n, generator=rng) < 0.4
    return ((torch.randn(n, generator=rng) + labels) * levels / 6).round(), labels


def blobs(n: int = 6, size: int = 24, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of several regions, and heat maps that see some of them."""
    rng = torch.Generator().manual_seed(seed)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(n, 1, size, size, generator=rng), 5, 1, 2)
    return 2 * smooth + torch.randn(n, 1, size, size, generator=rng), smooth > 0.25


def test_the_curve_is_that_of_scikit_learn_and_torchmetrics():
    scores, labels = ranked()
    ours = roc(scores, labels)
    theirs = roc_curve(labels, scores, drop_intermediate=False)
    for mine, other in zip(ours, theirs):
        assert np.allclose(mine, other, atol=1e-12)
    published = binary_roc(scores / 100 + 0.5, labels.long())
    assert torch.allclose(ours.hits.float(), published[1], atol=1e-6)


def test_the_area_under_the_curve_is_the_probability_of_a_right_ranking():
    scores, labels = ranked(seed=1)
    curve = roc(scores, labels)
    assert torch.trapezoid(curve.hits, curve.false_alarms).item() == pytest.approx(auroc(scores, labels), abs=1e-12)


def test_weights_count_as_repetitions():
    scores, labels = ranked(50, seed=2)
    weights = torch.arange(50) % 4
    once, often = (
        roc(scores, labels, weights),
        roc(scores.repeat_interleave(weights), labels.repeat_interleave(weights)),
    )
    keep = torch.isin(once.thresholds, often.thresholds)
    assert torch.allclose(once.hits[keep], often.hits, atol=1e-12)
    assert torch.allclose(once.false_alarms[keep], often.false_alarms, atol=1e-12)


def test_false_alarms_at_95_of_100_hits():
    """100 positives at 1..100, one negative at 5.5 and three below: to find 95, accept all from 6 up."""
    scores = torch.cat([torch.arange(1, 101), torch.tensor([5.5, 0, 0, 0])])
    labels = torch.arange(104) < 100
    assert fpr_at(scores, labels) == 0
    assert fpr_at(scores, labels, 0.951) == 0.25
    assert fpr_at(scores, labels, 1.0) == 0.25
    assert fpr_at(-scores, labels) == 1


@pytest.mark.parametrize("hits", [0.5, 0.8, 0.95, 1.0])
def test_false_alarms_agree_with_scikit_learn(hits):
    scores, labels = ranked(seed=3)
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert fpr_at(scores, labels, hits) == pytest.approx(false[np.argmax(true >= hits)], abs=1e-12)


def test_false_alarms_of_chance_are_as_many_as_hits():
    rng = torch.Generator().manual_seed(0)
    scores, labels = torch.rand(40_000, generator=rng), torch.arange(40_000) % 2
    assert fpr_at(scores, labels) == pytest.approx(0.95, abs=0.01)


def test_regions_are_those_of_scipy():
    _, masks = blobs()
    theirs, count = ndimage.label(masks[:, 0].numpy(), structure=[np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])
    ours = regions(masks)[:, 0]
    assert ours.max() == count
    assert len(torch.unique(ours * 1000 + torch.from_numpy(theirs))) == count + 1, "one number of ours, one of theirs"


def test_a_long_winding_region_is_one():
    spiral = torch.zeros(1, 1, 15, 15, dtype=torch.bool)
    spiral[..., ::2, :] = True
    spiral[..., 1::4, -1] = True
    spiral[..., 3::4, 0] = True
    assert regions(spiral).max() == 1


def test_perfect_maps_and_chance():
    _, masks = blobs()
    assert aupro(masks.float(), masks) == pytest.approx(1, abs=1e-12)
    noise = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    squares = torch.zeros(40, 1, 32, 32, dtype=torch.bool)
    squares[..., 8:16, 8:16] = True
    assert aupro(noise, squares) == pytest.approx(0.15, abs=0.01)
    assert aupro(torch.zeros_like(noise), squares) == pytest.approx(0.15, abs=1e-6), "one heat everywhere is chance"


def test_without_a_limit_it_is_the_mean_of_the_regions_auroc():
    """Each region against all good pixels: regions count alike, whatever their size."""
    maps, masks = blobs(seed=1)
    number = regions(masks)
    good = maps[~masks]
    each = []
    for k in range(1, int(number.max()) + 1):
        scores = torch.cat([maps[number == k], good])
        each.append(roc_auc_score(torch.arange(len(scores)) < (number == k).sum(), scores))
    assert aupro(maps, masks, limit=1) == pytest.approx(np.mean(each), abs=1e-9)


@pytest.mark.parametrize("limit", [0.05, 0.3, 0.77])
def test_it_agrees_with_the_definition_threshold_by_threshold(limit):
    """Bergmann et al. 2020: overlap of each region at each threshold, then the area up to the limit."""
    maps, masks = blobs(4, seed=2)
    maps, number, good = maps.double(), regions(masks), ~masks
    false, overlap = [0.0], [0.0]
    for threshold in maps.unique().flip(0):
        hot = maps >= threshold
        false.append((hot & good).sum().item() / good.sum().item())
        parts = [(hot & (number == k)).sum().item() / (number == k).sum().item() for k in range(1, number.max() + 1)]
        overlap.append(np.mean(parts))
    grid = np.append(np.array(false)[np.array(false) <= limit], limit)
    value = auc(grid, np.append(np.array(overlap)[: len(grid) - 1], np.interp(limit, false, overlap))) / limit
    assert aupro(maps, masks, limit) == pytest.approx(value, abs=1e-9)


def test_small_defects_count_as_much_as_large_ones():
    """A map that sees the large one of two defects: most pixels are found, half of the defects."""
    masks = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    masks[..., 2:22, 2:22] = masks[..., 28:30, 28:30] = True
    maps = torch.zeros(1, 1, 32, 32)
    maps[..., 2:22, 2:22] = 1
    assert pixel_auroc(maps, masks) > 0.99
    assert 0.5 < aupro(maps, masks) < 0.6


def test_doors():
    maps, masks = blobs(1)
    with pytest.raises(ValueError, match="masks must be bool"):
        aupro(maps, masks.float())
    with pytest.raises(ValueError, match="heat map of its shape"):
        pixel_auroc(maps[:, 0], masks)
    with pytest.raises(ValueError, match="finite"):
        aupro(maps * torch.nan, masks)
    with pytest.raises(ValueError, match="both classes"):
        aupro(maps, masks & False)
    with pytest.raises(ValueError, match="limit must be"):
        aupro(maps, masks, 0.0)
    with pytest.raises(ValueError, match="hits must be"):
        fpr_at(*ranked(), hits=0.0)
    scores, labels = ranked()
    for weights in (torch.ones(3), -torch.ones(200)):
        with pytest.raises(ValueError, match="weights must be"):
            roc(scores, labels, weights)
    with pytest.raises(ValueError, match="both kinds need some weight"):
        roc(scores, labels, labels.float())
