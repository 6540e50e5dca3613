"""The theory of GANs where all is known: on a line, and in a game of two numbers."""

import cmath
import math
from itertools import islice

import pytest
import torch

from course_lib.gans import dirac, games, optimal, transport
from course_lib.model import last

X = torch.linspace(-30, 30, 12_001, dtype=torch.float64)
LOG4 = math.log(4)


def normal(mean: float, std: float = 1.0) -> torch.Tensor:
    return optimal.log_normal(X, mean, std).exp()


def rows(n: int, m: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dtype=torch.float64, generator=rng), 2 * torch.rand(m, dtype=torch.float64, generator=rng) + 1


# The best discriminator


def test_a_gaussian_has_its_mass_mean_and_width():
    p = normal(1.5, 0.7)
    assert float(torch.trapezoid(p, X)) == pytest.approx(1, abs=1e-12)
    assert float(torch.trapezoid(X * p, X)) == pytest.approx(1.5, abs=1e-12)
    assert float(torch.trapezoid((X - 1.5) ** 2 * p, X)) == pytest.approx(0.49, abs=1e-12)


def test_the_optimal_discriminator_of_two_gaussians_is_a_sigmoid():
    d = optimal.optimal_discriminator(normal(1.0), normal(-1.0))
    near = X.abs() < 10
    assert torch.allclose(d[near], torch.sigmoid(2 * X[near]), atol=1e-12)


def test_where_nothing_is_the_optimal_discriminator_shrugs():
    zero, one = torch.zeros(3), torch.ones(3)
    assert torch.equal(optimal.optimal_discriminator(zero, zero), torch.full((3,), 0.5))
    assert torch.equal(optimal.optimal_discriminator(zero, one), zero)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 1.0), (2.0, 0.5), (6.0, 2.0)])
def test_the_value_at_the_optimum_is_twice_jensen_shannon_less_log_4(mean, std):
    p, q = normal(0.0), normal(mean, std)
    best = optimal.value(optimal.optimal_discriminator(p, q), p, q, X)
    assert float(best) == pytest.approx(float(2 * optimal.jensen_shannon(p, q, X)) - LOG4, abs=1e-10)


def test_the_least_value_is_minus_log_4_at_equality():
    p = normal(0.3, 0.8)
    assert float(optimal.value(optimal.optimal_discriminator(p, p), p, p, X)) == pytest.approx(-LOG4, abs=1e-12)
    assert float(optimal.jensen_shannon(p, p, X)) == pytest.approx(0, abs=1e-12)


def test_no_other_discriminator_does_better():
    p, q = normal(0.0), normal(1.0, 0.6)
    best = optimal.optimal_discriminator(p, q)
    top = optimal.value(best, p, q, X)
    for amount in (-0.2, -0.02, 0.02, 0.2):
        other = torch.lerp(best, torch.full_like(best, 0.5 + 0.5 * math.copysign(1, amount)), abs(amount))
        assert optimal.value(other, p, q, X) < top


def test_apart_jensen_shannon_is_log_2_however_far():
    for gap in (12.0, 24.0):
        assert float(optimal.jensen_shannon(normal(-gap / 2), normal(gap / 2), X)) == pytest.approx(
            math.log(2), abs=1e-8
        )


def test_kullback_leibler_of_two_gaussians():
    expected = math.log(2 / 1) + (1 + 0.5**2) / (2 * 4) - 0.5
    assert float(optimal.kullback_leibler(normal(0.5), normal(0.0, 2.0), X)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("gap", [0.5, 2.0, 4.0])
def test_the_saturating_pull_is_minus_the_gradient_of_twice_jensen_shannon(gap):
    log_p, h = optimal.log_normal(X, 0.0, 1.0), 1e-4
    js = [float(optimal.jensen_shannon(normal(0.0), normal(gap + s, 1.0), X)) for s in (-h, h)]
    pulled = optimal.pull(games.saturating, log_p, optimal.log_normal(X, gap, 1.0), X)
    assert float(pulled) == pytest.approx(-2 * (js[1] - js[0]) / (2 * h), abs=1e-6)
    assert float(pulled) < 0


@pytest.mark.parametrize("gap", [0.5, 2.0, 4.0])
def test_the_nonsaturating_pull_is_that_of_kl_less_twice_jensen_shannon(gap):
    """Arjovsky & Bottou 2017, theorem 2.5; the gradient of KL(q, p) for a shift by `gap` is `gap`."""
    log_p, log_q = optimal.log_normal(X, 0.0, 1.0), optimal.log_normal(X, gap, 1.0)
    rest = optimal.pull(games.saturating, log_p, log_q, X)
    assert float(optimal.pull(games.fooling, log_p, log_q, X)) == pytest.approx(-gap - float(rest), abs=1e-8)


def test_far_away_the_saturating_pull_vanishes_and_the_other_grows():
    log_p, log_q = optimal.log_normal(X, 0.0, 1.0), optimal.log_normal(X, 14.0, 1.0)
    assert abs(float(optimal.pull(games.saturating, log_p, log_q, X))) < 1e-8
    assert float(optimal.pull(games.fooling, log_p, log_q, X)) == pytest.approx(-14, abs=1e-6)


def test_the_doors_of_the_line():
    p = normal(0.0)
    with pytest.raises(ValueError, match="std must be"):
        optimal.log_normal(X, 0.0, 0.0)
    with pytest.raises(ValueError, match="one grid"):
        optimal.optimal_discriminator(p, p[1:])
    with pytest.raises(ValueError, match="0 or more"):
        optimal.optimal_discriminator(p.log(), p)
    with pytest.raises(ValueError, match="logits"):
        optimal.value(3 * p / p, p, p, X)
    with pytest.raises(ValueError, match="integrate to 1"):
        optimal.jensen_shannon(p, 2 * p, X)
    with pytest.raises(ValueError, match="integrate to 1"):
        optimal.kullback_leibler(p[:6000], p[:6000], X[:6000])
    with pytest.raises(ValueError, match="rise"):
        optimal.kullback_leibler(p, p, X.flip(0))


# Transport


def test_sorting_is_the_best_of_all_pairings():
    x, y = rows(6, 6)
    orders = torch.cartesian_prod(*[torch.arange(6)] * 6)
    pairings = orders[orders.sort(dim=1).values.eq(torch.arange(6)).all(dim=1)]
    assert len(pairings) == math.factorial(6)
    least = (x - y[pairings]).abs().mean(dim=1).min()
    assert float(transport.wasserstein(x, y)) == pytest.approx(float(least), abs=1e-12)


def test_a_shift_costs_its_length():
    x, _ = rows(500, 500)
    assert float(transport.wasserstein(x, x.flip(0) - 3.25)) == pytest.approx(3.25, abs=1e-12)


def test_sorting_has_the_gradient_of_unit_pushes():
    x, y = rows(100, 100)
    x = (x - 9).requires_grad_()  # all to the left of y
    transport.wasserstein(x, y).backward()
    assert torch.allclose(x.grad, torch.full_like(x, -1 / 100), atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 100), (30, 70), (1, 9)])
def test_quantiles_agree_with_sorting_after_repeating(n, m):
    x, y = rows(n, m, seed=1)
    common = math.lcm(n, m)
    expected = transport.wasserstein(x.repeat_interleave(common // n), y.repeat_interleave(common // m))
    assert float(transport.quantile_wasserstein(x, y)) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 70), (1, 1)])
def test_the_best_critic_reaches_the_distance(n, m):
    """Kantorovich's duality."""
    x, y = rows(n, m, seed=2)
    critic = transport.optimal_critic(x, y)
    assert float(transport.dual_value(critic, x, y)) == pytest.approx(
        float(transport.quantile_wasserstein(x, y)), abs=1e-12
    )


def test_the_best_critic_is_nowhere_steeper_than_1_and_no_other_is_better():
    x, y = rows(60, 60, seed=3)
    places = torch.linspace(-6, 6, 10_001, dtype=torch.float64)
    slopes = transport.optimal_critic(x, y)(places).diff() / places.diff()
    assert float(slopes.abs().max()) <= 1 + 1e-9
    for other in (torch.sin, torch.tanh, lambda s: -s, torch.abs):
        assert transport.dual_value(other, x, y) <= transport.wasserstein(x, y) + 1e-12


def test_equal_samples_leave_the_critic_nothing_to_say():
    x, _ = rows(20, 20)
    assert float(transport.dual_value(transport.optimal_critic(x, x), x, x)) == pytest.approx(0, abs=1e-12)


def test_gaussians_are_as_far_apart_as_their_quantiles():
    levels = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    z = math.sqrt(2) * torch.erfinv(2 * levels - 1)
    for mean_p, std_p, mean_q, std_q in [(0.0, 1.0, 3.0, 1.0), (0.0, 1.0, 0.5, 2.0), (1.0, 0.2, 1.0, 0.9)]:
        expected = transport.wasserstein(mean_p + std_p * z, mean_q + std_q * z)
        assert transport.gaussian_wasserstein(mean_p, std_p, mean_q, std_q) == pytest.approx(float(expected), abs=1e-4)


def test_the_doors_of_transport():
    x, y = rows(3, 3)
    with pytest.raises(ValueError, match="numbers must be equal"):
        transport.wasserstein(x, y[:2])
    with pytest.raises(ValueError, match="two rows"):
        transport.wasserstein(x[:, None], y)
    with pytest.raises(ValueError, match="two rows"):
        transport.optimal_critic(x, y[:0])
    with pytest.raises(ValueError, match="finite"):
        transport.quantile_wasserstein(x, y / 0)
    with pytest.raises(ValueError, match="0 or more"):
        transport.gaussian_wasserstein(0.0, -1.0, 0.0, 1.0)


# The Dirac-GAN

SLOPES = [(games.minimax, 0.5), (games.nonsaturating, 0.5), (games.relativistic, 0.5), (games.wasserstein, 1.0)]


@pytest.mark.parametrize(("game", "slope"), SLOPES)
def test_without_a_penalty_the_eigenvalues_are_purely_imaginary(game, slope):
    found = dirac.eigenvalues(dirac.field(game))
    assert torch.allclose(found, torch.tensor([-slope * 1j, slope * 1j], dtype=torch.complex128), atol=1e-12)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.5, 3.0])
@pytest.mark.parametrize(("game", "slope"), SLOPES)
def test_with_r1_they_are_the_known_ones_and_left_of_the_axis(game, slope, gamma):
    found = dirac.eigenvalues(dirac.field(game, gamma)).tolist()
    for value, expected in zip(found, dirac.known_eigenvalues(slope, gamma), strict=True):
        assert cmath.isclose(value, expected, abs_tol=1e-7)
        assert value.real < 0


def test_the_field_of_the_nonsaturating_game_is_mescheders():
    """Mescheder et al. 2018, section 2, with f'(t) = sigmoid(-t) and our sign of psi."""
    states = torch.randn(50, 2, dtype=torch.float64)
    theta, psi = states.T
    expected = torch.stack([psi * torch.sigmoid(-psi * theta), -theta * torch.sigmoid(psi * theta) - 0.3 * psi], 1)
    assert torch.allclose(dirac.field(games.nonsaturating, 0.3)(states), expected, atol=1e-12)


def test_the_equilibrium_rests():
    for game, _ in SLOPES:
        assert torch.equal(dirac.field(game, 0.7)(torch.zeros(1, 2)), torch.zeros(1, 2))


@pytest.mark.parametrize(("game", "slope"), SLOPES)
def test_simultaneous_steps_stretch_each_turn(game, slope):
    h = 0.2
    update = torch.eye(2, dtype=torch.float64) + h * dirac.jacobian(dirac.field(game))
    assert torch.allclose(
        torch.linalg.eigvals(update).abs(), torch.tensor(math.hypot(1, h * slope), dtype=torch.float64), atol=1e-12
    )


def test_the_wasserstein_game_spirals_outwards_at_the_known_rate():
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    end = last(dirac.simultaneous(dirac.field(games.wasserstein), start, 0.2, 50))
    assert float(end.norm()) == pytest.approx(math.hypot(1, 0.2) ** 50, abs=1e-9)


def test_alternating_steps_neither_grow_nor_shrink():
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    norms = [float(s.norm()) for s in dirac.alternating(dirac.field(games.wasserstein), start, 0.2, 2000)]
    longest = math.sqrt((2 + 0.2) / (2 - 0.2))  # an ellipse, with this ratio of its axes
    assert max(norms) <= longest + 1e-9
    assert min(norms) >= 1 / longest - 1e-9


@pytest.mark.parametrize("h", [0.1, 0.5, 1.5])
@pytest.mark.parametrize(("game", "slope"), SLOPES)
def test_alternating_steps_have_eigenvalues_on_the_unit_circle(game, slope, h):
    field = dirac.field(game)
    move = lambda state: next(dirac.alternating(field, state[None], h, 1))[0]
    update = torch.func.jacrev(move)(torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(torch.linalg.eigvals(update).abs(), torch.ones(2, dtype=torch.float64), atol=1e-7)


def test_alternating_moves_the_discriminator_first():
    (state,) = dirac.alternating(dirac.field(games.wasserstein), torch.tensor([[1.0, 0.0]]), 0.5, 1)
    assert torch.allclose(state, torch.tensor([[0.75, -0.5]]), atol=1e-7)


@pytest.mark.parametrize("walk", [dirac.simultaneous, dirac.alternating])
def test_r1_leads_home(walk):
    start = torch.tensor([[1.0, 1.0], [-2.0, 0.5]], dtype=torch.float64)
    assert float(last(walk(dirac.field(games.nonsaturating, 1.0), start, 0.2, 400)).abs().max()) < 1e-6


def test_a_trajectory_can_be_cut_short():
    start = torch.ones(3, 2)
    assert len(list(islice(dirac.simultaneous(dirac.field(games.minimax), start, 0.1, 10**9), 5))) == 5


def test_the_doors_of_the_dirac_gan():
    field = dirac.field(games.minimax)
    with pytest.raises(ValueError, match="gamma must be"):
        dirac.field(games.minimax, -1.0)
    with pytest.raises(ValueError, match="one state"):
        dirac.jacobian(field, torch.zeros(1, 2))
    for walk in (dirac.simultaneous, dirac.alternating):
        with pytest.raises(ValueError, match="states must be"):
            next(walk(field, torch.zeros(2), 0.1, 5))
        with pytest.raises(ValueError, match="positive step size"):
            next(walk(field, torch.zeros(1, 2), 0.0, 5))
