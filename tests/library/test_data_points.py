"""Points: densities integrate to one, scores are gradients, samples come from where they should."""

import pytest
import torch

from course_lib.data.points import Mixture, checkerboard, grid, moons, ring, spiral


def lattice(cells=400, reach=1.5):
    line = (torch.arange(cells) + 0.5) * (2 * reach / cells) - reach
    return torch.cartesian_prod(line, line), (2 * reach / cells) ** 2


@pytest.mark.parametrize("mixture", [grid(3, 0.1), ring(8), Mixture(torch.zeros(1, 2), 0.3)])
def test_density_integrates_to_one(mixture):
    x, area = lattice()
    assert abs(mixture.log_density(x).exp().sum() * area - 1) < 1e-3


def test_one_gaussian_has_the_known_density():
    x = torch.randn(50, 3)
    expected = torch.distributions.Normal(0.0, 0.7).log_prob(x - 1).sum(1)
    assert torch.allclose(Mixture(torch.ones(1, 3), 0.7).log_density(x), expected, atol=1e-5)


def test_score_is_the_gradient():
    mixture = Mixture(torch.randn(4, 2), 0.4, torch.tensor([0.1, 0.2, 0.3, 0.4]))
    x = torch.randn(50, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(mixture.log_density(x).sum(), x)
    assert torch.allclose(mixture.score(x), gradient, atol=1e-4)


def test_noised_is_the_law_of_noised_samples():
    mixture = ring(4)
    x, _ = mixture.sample(20_000, seed=0)
    z = 0.6 * x + 0.8 * torch.randn(20_000, 2)
    assert torch.allclose(torch.cov(z.T), torch.cov(mixture.noised(0.6, 0.8).sample(20_000, 1)[0].T), atol=0.03)


def test_modes():
    mixture = grid(5)
    x, mode = mixture.sample(5_000, seed=0)
    nearest, widths = mixture.nearest(x)
    assert torch.equal(nearest, mode)
    assert mode.bincount().min() > 130  # 200 expected
    assert 0.85 < (widths < 2).float().mean() < 0.88  # 1 - exp(-2) in the plane


def test_weights_are_kept():
    _, mode = Mixture(torch.eye(2), 0.1, torch.tensor([0.9, 0.1])).sample(5_000, seed=0)
    assert abs(mode.float().mean() - 0.1) < 0.02


def test_curves():
    assert (moons(500, 0, noise=0.0)[0].abs() <= 1).all()
    x, moon = moons(500, 0, noise=0.0)
    centre = torch.stack([moon - 0.5, 0.5 * moon - 0.25], 1) * 0.6
    assert torch.allclose((x - centre).norm(dim=1), torch.full((500,), 0.6), atol=1e-5)
    s = spiral(500, 0, noise=0.0)
    turn = (torch.atan2(s[:, 1], s[:, 0]) - 4 * torch.pi * s.norm(dim=1)) / (2 * torch.pi)
    assert (turn - turn.round()).abs().max() < 1e-3


def test_checkerboard_is_on_dark_squares():
    x = checkerboard(2_000, seed=0)
    cell = ((x + 1) * 2).floor().long()
    assert ((cell.sum(1) % 2) == 0).all()
    assert len(cell.unique(dim=0)) == 8


def test_same_seed_same_points():
    assert torch.equal(spiral(10, 3), spiral(10, 3))
    assert not torch.equal(spiral(10, 3), spiral(10, 4))
    assert grid().sample(0, seed=0)[0].shape == (0, 2)


def test_doors():
    with pytest.raises(ValueError, match="0 or more"):
        spiral(-1, 0)
    with pytest.raises(ValueError, match="std > 0"):
        Mixture(torch.zeros(1, 2), 0.0)
    with pytest.raises(ValueError, match="sum to 1"):
        Mixture(torch.zeros(2, 2), 1.0, torch.ones(2))
    with pytest.raises(ValueError, match="points must be"):
        grid().score(torch.zeros(3))
    with pytest.raises(ValueError, match="even"):
        checkerboard(1, 0, squares=3)
    with pytest.raises(ValueError, match="1 or more"):
        grid(0)
    with pytest.raises(ValueError, match="1 or more"):
        ring(0)
