"""Copies, canaries, members: each measure against a model that has memorised nothing, and one that has everything."""

import itertools
import math

import pytest
import torch

from course_lib.data.images import Images
from course_lib.diffusion.flow import Flow
from course_lib.ethics.memorisation import (
    by_chance,
    denoising_losses,
    distances,
    exposure,
    membership,
    near_duplicates,
    replication,
)
from course_lib.experiments import memorisation as experiment


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) / 3


def test_distances_are_root_mean_squares():
    x, y = pictures(3, 0), pictures(4, 1)
    plain = (x[:, None] - y[None]).square().mean((2, 3, 4)).sqrt()
    assert torch.allclose(distances(x, y).float(), plain, atol=1e-6)


def test_without_memorisation_half_of_the_samples_lie_nearer_to_training():
    """Samples, training images and others from one distribution: over many draws, the mean share is 1/2."""
    shares, held = [], []
    for seed in range(60):
        x = pictures(300, seed)
        found = replication(x[:100], x[100:200], x[200:])
        shares.append(found.nearer.value)
        held.append(abs(found.nearer.value - 0.5) <= found.chance)
    assert sum(shares) / 60 == pytest.approx(0.5, abs=0.03)
    assert sum(held) / 60 == pytest.approx(0.95, abs=0.08)


def test_copies_are_found_and_so_is_what_they_copy():
    training, others = pictures(20, 0), pictures(20, 1)
    found = replication(training[[3, 3, 7]] + 0.001, training, others)
    assert found.nearer.value == found.copies.value == 1
    assert found.nearest.tolist() == [3, 3, 7]
    swapped = replication(others[[3, 3, 7]] + 0.001, training, others)
    assert swapped.nearer.value == swapped.copies.value == 0
    assert torch.allclose(found.ratio[0], 0.001 / distances(training[3:4], others).min(), rtol=0.3)


def test_more_others_than_training_images_are_refused():
    with pytest.raises(ValueError, match="among more images the nearest one is nearer"):
        replication(pictures(5, 0), pictures(10, 1), pictures(11, 2))


def test_chance_is_the_spread_over_all_halves_of_the_pool():
    """Enumerate the 70 ways to choose 4 of 8 images: the standard deviation of the share is the formula's."""
    nearest = torch.tensor([0, 0, 0, 1, 1, 2, 5, 5, 5, 5])
    halves = itertools.combinations(range(8), 4)
    shares = torch.tensor([torch.isin(nearest, torch.tensor(half)).double().mean() for half in halves])
    assert shares.mean().item() == pytest.approx(0.5, abs=1e-9)
    assert by_chance(nearest, 8) == pytest.approx(1.959964 * shares.std(unbiased=False).item(), abs=1e-6)
    assert by_chance(torch.arange(8), 8) == 0  # each image once: any half holds half of them


def test_exposure_is_bits_of_rank():
    losses = torch.arange(1.0, 1024.0)  # 1,023 candidates
    assert exposure(torch.tensor([0.0]), losses).item() == 10  # first of 1,024
    assert exposure(torch.tensor([7.5]), losses).item() == 7  # eighth
    assert exposure(torch.tensor([2000.0]), losses).item() == 0  # last
    assert exposure(torch.tensor([1.0]), losses).item() == 9  # a tie goes against the canary


def test_exposure_by_chance_is_the_base_two_logarithm_of_e():
    """The mean of log2(n / rank) over all ranks tends to log2 e (Stirling)."""
    canaries = torch.arange(0.5, 4096.5)
    assert exposure(canaries, torch.arange(1.0, 4096.0)).mean().item() == pytest.approx(math.log2(math.e), abs=0.01)
    with pytest.raises(ValueError, match="at least one candidate"):
        exposure(canaries, torch.zeros(0))


def test_equal_losses_of_members_and_others_tell_nothing():
    losses = torch.rand(2, 400)
    for found in membership(losses[:, :200], losses[:, 200:]):
        assert found.auroc_low < 0.5 < found.auroc_high
    (sure,) = membership(torch.zeros(1, 50), torch.ones(1, 100))
    assert sure.auroc == sure.tpr == 1


class Remembers(Flow):
    """Knows some images by heart: predicts their velocity exactly, and nothing of others."""

    memory: torch.Tensor

    def predictor(self, y):
        def predict(x, t):
            # x = (1 - t) x0 + t eps: for each remembered x0, what the noise would have been
            noise = (x[:, None] - (1 - t) * self.memory[None]) / t
            chosen = noise.square().mean((2, 3, 4)).argmin(1)
            x0 = self.memory[chosen]
            return (x - x0) / t

        return predict


def test_losses_betray_what_is_known_by_heart():
    pixels = torch.randint(0, 256, (120, 1, 8, 8), dtype=torch.uint8)
    images = Images(pixels, torch.zeros(120, dtype=torch.int64))
    model = Remembers(size=8, width=32, depth=1, classes=1)
    model.memory = images.x[:20]
    losses = denoising_losses(model, images, times=(0.1, 0.3), draws=2)
    assert losses.shape == (2, 120)
    assert losses[:, :20].max() < 1e-6
    verdicts = membership(losses[:, :20], losses[:, 20:])
    assert all(found.auroc == found.tpr == 1 for found in verdicts)


def test_losses_repeat_with_their_seed():
    images = Images(torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8), torch.zeros(5, dtype=torch.int64))
    model = Flow(size=8, width=32, depth=1, classes=1)
    first, again, other = (denoising_losses(model, images, draws=1, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_near_duplicates_are_found_after_their_first():
    x = pictures(30, 0)
    again = x[[4, 4, 9]] + 0.01
    found = near_duplicates(torch.cat([x, again]), within=0.05)
    assert found.nonzero().flatten().tolist() == [30, 31, 32]
    assert not near_duplicates(x, 0).any()
    assert near_duplicates(torch.cat([x, x[:2]]), 0).sum() == 2
    with pytest.raises(ValueError, match="never nearer than 0"):
        near_duplicates(x, -1)


def test_the_experiment_plants_what_it_says():
    data = experiment.duplicated(0)
    assert len(data.rows) == int(data.copies.sum())
    assert len(data.once) == len(data.others) == len(data.copies)
    assert data.copies.bincount().nonzero().flatten().tolist() == [1, *experiment.COPIES]
    kept = ~near_duplicates(data.rows.x, experiment.WITHIN)
    assert int(kept.sum()) == len(data.once)  # all copies are found, though none is exact, and no other image
