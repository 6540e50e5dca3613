"""GANs: games, penalties, latents, mode counting, and the contract."""

import math
from dataclasses import replace

import pytest
import torch
from library.contract import check_model
from torch import nn

from course_lib.data.images import Batch
from course_lib.data.points import grid
from course_lib.gans import games, penalties
from course_lib.gans.equilibrium import accuracy
from course_lib.gans.games import minimax, nonsaturating, relativistic, wasserstein
from course_lib.gans.images import ImageGan
from course_lib.gans.latent import slerp, truncated
from course_lib.gans.points import PointGan, coverage
from course_lib.model import last
from course_lib.training import train_steps

GAMES = {"minimax": minimax, "nonsaturating": nonsaturating, "wasserstein": wasserstein, "relativistic": relativistic}
named = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def linear(weights: list[float]):
    """A discriminator whose slope is known: f(x) = weights . x."""
    return lambda x, y: x.flatten(1) @ torch.tensor(weights)


# Games


def test_cross_entropy_is_that_of_torch():
    real, fake = torch.randn(2, 50)
    bce = nn.functional.binary_cross_entropy_with_logits
    want = bce(real, torch.ones(50)) + bce(fake, torch.zeros(50))
    torch.testing.assert_close(games.cross_entropy(real, fake), want, atol=1e-6, rtol=0)


@named
def test_a_discriminator_that_cannot_tell_pays_the_known_price(game):
    zeros = torch.zeros(8)
    want = {"minimax": math.log(4), "nonsaturating": math.log(4), "wasserstein": 0.0, "relativistic": math.log(2)}
    (name,) = [name for name, each in GAMES.items() if each is game]
    assert abs(game.discriminator(zeros, zeros).item() - want[name]) < 1e-6


@named
def test_the_players_pull_generated_scores_apart(game):
    real, fake = torch.randn(2, 16)
    fake.requires_grad_()
    (down,) = torch.autograd.grad(game.discriminator(real, fake), fake)
    (up,) = torch.autograd.grad(game.generator(real, fake), fake)
    assert (down > 0).all()  # a step against the gradient lowers the scores of generated images
    assert (up < 0).all()


@named
def test_losses_and_gradients_stay_finite_where_the_discriminator_is_sure(game):
    real, fake = torch.full((4,), 300.0), torch.full((4,), -300.0, requires_grad=True)
    for loss in (game.discriminator(real, fake), game.generator(real, fake)):
        (gradient,) = torch.autograd.grad(loss, fake)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_only_the_saturating_generator_is_left_without_a_gradient():
    sure = torch.tensor([-20.0], requires_grad=True)
    slope = {n: torch.autograd.grad(g.generator(torch.zeros(1), sure), sure)[0].abs().item() for n, g in GAMES.items()}
    assert slope["minimax"] < 1e-8
    assert min(slope[name] for name in GAMES if name != "minimax") > 0.99


def test_relativistic_players_are_mirror_images():
    real, fake = torch.randn(2, 16)
    assert torch.equal(relativistic.generator(real, fake), relativistic.discriminator(fake, real))


def test_only_the_relativistic_game_ignores_a_constant_added_to_all_scores():
    real, fake = torch.randn(2, 16, dtype=torch.float64)
    moved = {n: (g.discriminator(real + 3, fake + 3) - g.discriminator(real, fake)).abs() for n, g in GAMES.items()}
    assert moved["relativistic"] < 1e-12
    assert moved["wasserstein"] < 1e-12
    assert moved["nonsaturating"] > 0.1


# Penalties


def test_penalties_of_a_linear_discriminator():
    real, fake, y = torch.randn(6, 1, 2, 2), torch.randn(6, 1, 2, 2), torch.zeros(6).long()
    f = linear([1.0, 2.0, 2.0, 4.0])  # slope 5 everywhere
    want = {"none": 0.0, "real_side": 25.0, "both_sides": 50.0, "unit_slope": 16.0}
    for name, value in want.items():
        assert abs(getattr(penalties, name)(f, real, fake, y).item() - value) < 1e-4


def test_real_side_is_taken_at_real_images():
    square = lambda x, y: x.square().sum(dim=1) / 2  # slope |x|
    real, fake, y = torch.full((3, 1), 2.0), torch.full((3, 1), 10.0), torch.zeros(3).long()
    assert abs(penalties.real_side(square, real, fake, y).item() - 4) < 1e-5
    assert abs(penalties.both_sides(square, real, fake, y).item() - 104) < 1e-4
    assert 1 <= penalties.unit_slope(square, real, fake, y).item() <= 81  # slopes between 2 and 10


def test_a_penalty_reaches_the_weights():
    f = nn.Linear(3, 1, bias=False)
    x, y = torch.randn(5, 3), torch.zeros(5).long()
    penalties.real_side(lambda x, y: f(x)[:, 0], x, x, y).backward()
    torch.testing.assert_close(f.weight.grad, 2 * f.weight.detach(), atol=1e-6, rtol=0)  # of |w|^2


def test_penalties_are_taken_in_float32_and_inside_no_grad():
    seen = []
    f = nn.Linear(3, 1)

    def spy(x, y):
        scores = f(x)[:, 0]
        seen.append(scores.dtype)
        return scores

    x, y = torch.randn(5, 3), torch.zeros(5).long()
    with torch.autocast("cpu", torch.bfloat16):
        penalties.both_sides(spy, x, x, y)
    with torch.no_grad():
        assert penalties.real_side(spy, x, x, y).isfinite()
    assert set(seen) == {torch.float32}


# Latents


def test_truncated_noise_has_the_variance_of_a_truncated_normal():
    noise = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    for limit in (0.5, 1.0, 2.0):
        drawn = truncated(noise, limit)
        density, mass = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi), math.erf(limit / math.sqrt(2))
        assert drawn.abs().max() <= limit + 1e-5
        assert abs(drawn.var().item() - (1 - 2 * limit * density / mass)) < 5e-3


def test_truncation_keeps_order_and_without_a_limit_changes_nothing():
    noise = torch.randn(1000).sort().values
    assert truncated(noise, math.inf) is noise
    assert (truncated(noise, 0.7).diff() >= 0).all()
    torch.testing.assert_close(truncated(noise, 30.0), noise, atol=1e-3, rtol=0)
    far = torch.tensor([-9.0, 9.0])  # in single precision no quantile is left beyond
    assert truncated(far, 6.0).tolist() == [-6.0, 6.0]


def test_a_limit_of_zero_is_refused():
    for limit in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="truncation must be above 0"):
            truncated(torch.zeros(2), limit)


def test_slerp_walks_the_circle_at_constant_speed():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for t in (0.0, 0.25, 0.5, 1.0):
        want = torch.tensor([math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)])
        torch.testing.assert_close(slerp(a, b, t), want, atol=1e-6, rtol=0)


def test_slerp_keeps_the_norm_and_lerp_does_not():
    torch.manual_seed(0)
    a, b = (8 * v / v.norm(dim=1, keepdim=True) for v in torch.randn(2, 100, 64))
    torch.testing.assert_close(slerp(a, b, 0.3).norm(dim=1), torch.full((100,), 8.0), atol=1e-4, rtol=0)
    assert torch.lerp(a, b, 0.5).norm(dim=1).mean() < 6.5


def test_slerp_between_close_ends_is_a_line_and_between_opposite_ends_an_error():
    a = torch.randn(4, 8)
    torch.testing.assert_close(slerp(a, a, 0.5), a, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="opposite"):
        slerp(a, -a, 0.5)


# Points


def test_coverage_of_all_of_some_and_of_one_mode():
    data, mode = grid(5).sample(10_000, seed=0)
    assert coverage(data, grid(5)).modes == 25
    assert abs(coverage(data, grid(5)).quality - (1 - math.exp(-4.5))) < 0.01  # a normal in the plane within 3 sigma
    some = data[mode < 10].repeat(3, 1)
    assert coverage(some, grid(5)).modes == 10
    assert coverage(torch.zeros(2500, 2), grid(5)) == (1, 1.0)


def test_stray_samples_are_no_find():
    data, mode = grid(5).sample(10_000, seed=0)
    stray = torch.cat([data[mode < 10].repeat(3, 1), data[mode >= 10][:50]])
    assert coverage(stray, grid(5)).modes == 10


def test_too_few_samples_to_count_are_refused():
    with pytest.raises(ValueError, match="2500 samples or more"):
        coverage(torch.zeros(100, 2), grid(5))


@named
def test_point_gans_keep_the_contract(game):
    torch.manual_seed(0)
    x, _ = grid(2).sample(64, seed=0)
    check_model(PointGan(game, width=32, depth=2, latent=4), Batch(x, torch.zeros(64).long()))


# Images


def tiny(**changes) -> ImageGan:
    torch.manual_seed(0)
    return ImageGan(**{"size": 8, "width": 32, "latent": 8, "classes": 3} | changes)


def batch_of(n: int = 8, channels: int = 1) -> Batch:
    x = torch.rand(n, channels, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(x, torch.arange(n) % 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_image_gan_keeps_the_contract(channels):
    check_model(tiny(channels=channels), batch_of(channels=channels))


def test_a_score_depends_on_its_own_image_only():
    model, (x, y) = tiny(), batch_of()
    for _ in train_steps(model, iter([Batch(x, y)] * 3), 3):
        pass
    alone = torch.cat([model.scores(x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(model.scores(x, y), alone, atol=1e-5, rtol=0)


def test_labels_enter_both_networks():
    model = tiny()
    x, y, z = torch.rand(4, 1, 8, 8), torch.zeros(4).long(), torch.randn(4, 8)
    assert not torch.equal(model.scores(x, y), model.scores(x, y + 1))
    assert not torch.equal(model.generate(y, z), model.generate(y + 1, z))


def test_no_gradient_of_one_player_reaches_the_other():
    model, batch = tiny(), batch_of()
    model.discriminator_loss(batch)["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_the_penalty_sees_its_share_of_the_batch():
    seen = []

    def spy(discriminator, real, fake, y):
        seen.append(len(real))
        return real.new_zeros(())

    model = tiny(game=replace(relativistic, penalty=spy))
    for n in (8, 9, 1):
        model.discriminator_loss(batch_of(n))
    assert seen == [1, 2, 1]
    with pytest.raises(ValueError, match="share must be in"):
        type(model).__mro__[1](nn.Identity(), nn.Identity(), relativistic, latent=2, classes=1, config={}, share=0)


def test_samples_follow_noise_labels_and_truncation():
    model, noise, y = tiny(), torch.randn(3, 8), torch.tensor([0, 1, 2])
    images = last(model.sample(3, y, noise=noise))
    assert torch.equal(images, last(model.sample(3, y, noise=noise)))
    assert images.abs().max() <= 1
    spread = [last(model.sample(50, torch.zeros(50).long(), truncation=t)).std(dim=0).mean() for t in (0.2, 1.0)]
    assert spread[0] < spread[1]


def test_what_does_not_fit_is_refused_at_the_door():
    model = tiny()
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2, got 0\.\.3"):
        last(model.sample(4, torch.arange(4)))
    with pytest.raises(ValueError, match=r"y must be \(4,\) int64"):
        last(model.sample(4, torch.zeros(3).long()))
    with pytest.raises(ValueError, match=r"noise must be \(4, 8\)"):
        last(model.sample(4, noise=torch.zeros(4, 7)))
    with pytest.raises(ValueError, match=r"images must be \(B, 1, 8, 8\)"):
        model.check(Batch(torch.zeros(2, 1, 12, 12), torch.zeros(2).long()))
    with pytest.raises(ValueError, match=r"lie in \[-1, 1\]"):
        model.check(Batch(torch.full((2, 1, 8, 8), 1.5), torch.zeros(2).long()))
    with pytest.raises(ValueError, match="multiple of 4"):
        ImageGan(size=30)


# Equilibrium


def test_accuracy_of_a_discriminator_that_knows_and_of_one_that_guesses():
    model, (x, y) = tiny(), batch_of(30)
    model.discriminator.forward = lambda images, labels: images.abs().flatten(1).sum(dim=1)
    model.generator.forward = lambda z, labels: torch.zeros(len(z), 1, 8, 8)
    assert accuracy(model, x, y) == 1.0
    model.generator.forward = lambda z, labels: x
    assert accuracy(model, x, y) == 0.5
    model.generator.forward = lambda z, labels: torch.where(torch.arange(30)[:, None, None, None] < 10, x * 0, x * 2)
    assert abs(accuracy(model, x, y) - 1 / 3) < 0.1
