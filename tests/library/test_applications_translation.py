"""Paired translation: regressions, pix2pix, flow, bridge, and the measures of answers that are not determined."""

import math

import pytest
import torch
from library.contract import check_model

from course_lib.applications.bridge import Bridge, PairedFlow, between, walk
from course_lib.applications.learning import game, learn, steady
from course_lib.applications.measures import (
    agreement,
    coverage,
    draws,
    lit_share,
    patch_distance,
    sharpness,
    spectrum,
)
from course_lib.applications.pix2pix import PatchCritic, Pix2Pix, critic_loss
from course_lib.applications.translation import MeanRegression, MedianRegression, Regression, SourceUNet
from course_lib.data.images import Batch
from course_lib.data.pairs import Pairs
from course_lib.diffusion.solvers import times
from course_lib.experiments import night_contest
from course_lib.gans.games import Game, relativistic
from course_lib.model import last
from course_lib.training import adamw, train_steps

SIZE = 8
BUILD = {
    "mean": lambda: MeanRegression(size=SIZE),
    "median": lambda: MedianRegression(size=SIZE),
    "pix2pix": lambda: Pix2Pix(size=SIZE),
    "flow": lambda: PairedFlow(size=SIZE),
    "bridge": lambda: Bridge(size=SIZE),
}
each = pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def batch(n: int = 6, channels: int = 3) -> Batch:
    return Batch(*torch.rand(2, n, channels, SIZE, SIZE) * 2 - 1)


# The models


@each
def test_keeps_the_contract(build):
    check_model(build(), batch())


def test_one_that_is_folded_and_keeps_the_source_keeps_the_contract():
    assert PairedFlow(size=64).fold == 2
    check_model(PairedFlow(size=64, keep=1.0), Batch(*torch.rand(2, 4, 3, 64, 64) * 2 - 1), steps=10)


def test_untrained_regressions_that_keep_the_source_answer_with_it():
    source = torch.rand(2, 3, SIZE, SIZE)
    assert torch.equal(last(MeanRegression(size=SIZE, keep=1.0).sample(2, source)), source)
    assert torch.equal(last(MedianRegression(size=SIZE).sample(2, source)), torch.zeros_like(source))


@each
def test_all_ways_have_the_same_network(build):
    wanted = {name: value.shape for name, value in SourceUNet(3, 32, 1, 1).state_dict().items()}
    assert {name: value.shape for name, value in build().net.state_dict().items()} == wanted


@each
def test_translates_pictures_larger_than_those_it_learned_from(build):
    source = torch.rand(2, 3, 16, 12)
    assert last(build().sample(2, source)).shape == source.shape


@each
def test_bad_sources_are_refused(build):
    model = build()
    for source in (torch.zeros(2, 1, SIZE, SIZE), torch.zeros(3, 3, SIZE, SIZE), torch.zeros(2, 3, SIZE, 6)):
        with pytest.raises(ValueError, match="sources must be float"):
            last(model.sample(2, source))
    with pytest.raises(ValueError, match="sources must be float"):
        model.check(Batch(batch().x, torch.zeros(6, dtype=torch.int64)))


def test_bad_targets_and_sizes_are_refused():
    with pytest.raises(ValueError, match="the shape of their sources"):
        MeanRegression(size=SIZE).check(Batch(torch.zeros(2, 3, SIZE, SIZE), torch.zeros(2, 3, 16, 16)))
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        MeanRegression(size=SIZE).check(Batch(torch.full((2, 3, SIZE, SIZE), 9.0), torch.zeros(2, 3, SIZE, SIZE)))
    with pytest.raises(ValueError, match="multiple of 8"):
        MeanRegression(size=68)
    with pytest.raises(ValueError, match="noise must be"):
        last(PairedFlow(size=SIZE).sample(2, noise=torch.zeros(2, 3, 4, 4)))
    with pytest.raises(ValueError, match="spread"):
        Bridge(size=SIZE, spread=0.0)
    with pytest.raises(ValueError, match="weight"):
        Pix2Pix(size=SIZE, weight=-1.0)


# Regression of what is not determined


def best_constant(regression: type[Regression], targets: torch.Tensor) -> torch.Tensor:
    """The constant that minimises the model's own loss over these targets."""

    class Constant(regression):
        def answer(self, x, t, y):
            return self.value.expand(len(y), 3, SIZE, SIZE)

    model = Constant(size=SIZE)
    model.value = torch.nn.Parameter(torch.zeros(1, 3, 1, 1))
    optimizer = torch.optim.SGD([model.value], lr=0.5)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.5 / (1 + step / 10)
        optimizer.zero_grad()
        model.loss(Batch(targets, torch.zeros_like(targets)))["loss"].backward()
        optimizer.step()
    return model.value.detach()


def test_of_a_light_that_shines_in_one_night_of_four_squares_learn_the_mean_and_deviations_the_median():
    nights = torch.full((8, 3, SIZE, SIZE), -1.0)
    nights[:2] = 1.0  # mean -1/2, median -1
    assert (best_constant(MeanRegression, nights) + 0.5).abs().max() < 1e-3
    assert (best_constant(MedianRegression, nights) + 1).abs().max() < 0.05


def test_the_mean_has_the_least_squared_error_and_a_draw_twice_as_much():
    truth, drawn = torch.randn(400, 1, 4, 4), torch.randn(6, 400, 1, 4, 4)
    found = agreement(drawn, truth)
    assert abs(found["draw"] - 2) < 0.1
    assert abs(found["mean"] - (1 + 1 / 6)) < 0.05
    assert abs(found["ratio"] - 2) < 0.1
    assert found["best"] < found["draw"]


def test_a_function_of_the_source_has_the_ratio_one():
    truth = torch.randn(50, 1, 4, 4)
    assert abs(agreement(torch.zeros(3, *truth.shape), truth)["ratio"] - 1) < 1e-6


# Bridge and flow


def test_a_bridge_stands_firm_at_both_ends():
    x0, y, eps = torch.randn(3, 5, 1, 2, 2)
    t = lambda value: torch.full((5, 1, 1, 1), value)
    assert torch.equal(between(x0, y, t(0.0), 0.7, eps), x0)
    assert torch.equal(between(x0, y, t(1.0), 0.7, eps), y)
    middle = between(torch.zeros(20_000, 1), torch.zeros(20_000, 1), t(0.5)[0, 0], 0.7, torch.randn(20_000, 1))
    assert abs(middle.std().item() - 0.35) < 0.01


def test_shapes_of_a_bridge_do_not_broadcast():
    with pytest.raises(ValueError, match="one shape"):
        between(torch.zeros(4, 3), torch.zeros(1, 3), torch.tensor(0.5), 0.5, torch.zeros(4, 3))


def test_who_knows_the_target_walks_through_the_bridges_own_marginals_however_few_the_steps():
    x0, y, spread = torch.full((40_000,), -0.5), torch.full((40_000,), 1.0), 0.8
    states = list(walk(lambda x, t: x0, y, torch.tensor([1.0, 0.7, 0.2, 0.0]), spread))
    for t, state in zip((0.7, 0.2), states):
        assert abs(state.mean().item() - (-0.5 + 1.5 * t)) < 0.01
        assert abs(state.std().item() - spread * math.sqrt(t * (1 - t))) < 0.01
    assert torch.equal(states[-1], x0)


def gaussian_denoiser(mean: float, std: float, spread: float):
    """E[x_0 | x_t] for targets N(mean, std^2) and the source 1, by Gaussian conditioning."""

    def denoise(x, t):
        noise = spread**2 * t * (1 - t) + 1e-12
        trust = std**2 * (1 - t) / ((1 - t) ** 2 * std**2 + noise)
        return mean + trust * (x - (1 - t) * mean - t)

    return denoise


def test_a_bridge_with_the_exact_guess_ends_in_the_targets_distribution():
    mean, std, spread = -0.3, 0.4, 0.5
    end = last(walk(gaussian_denoiser(mean, std, spread), torch.ones(40_000), times(200), spread))
    assert abs(end.mean().item() - mean) < 0.01
    assert abs(end.std().item() - std) < 0.01


@pytest.mark.parametrize("kind", [PairedFlow, Bridge])
def test_who_always_answers_with_the_source_walks_there(kind):
    """An untrained network adds nothing to what is kept, so every draw is the source, whatever the steps."""
    source = torch.rand(2, 3, SIZE, SIZE)
    for steps in (1, 5):
        assert (last(kind(size=SIZE, keep=1.0).sample(2, source, steps=steps)) - source).abs().max() < 1e-5


def test_noise_can_be_given():
    source, noise = torch.rand(2, 3, SIZE, SIZE), torch.randn(2, 3, SIZE, SIZE)
    for model in (PairedFlow(size=SIZE), Pix2Pix(size=SIZE)):
        assert torch.equal(last(model.sample(2, source, noise=noise)), last(model.sample(2, source, noise=noise)))
    bridge = Bridge(size=SIZE)
    torch.nn.init.normal_(bridge.net.net.unfold.weight, std=0.1)
    walks = [last(bridge.sample(2, source, generator=torch.Generator().manual_seed(s))) for s in (1, 1, 2)]
    assert torch.equal(walks[0], walks[1])
    assert not torch.equal(walks[0], walks[2])


# The critic


def test_a_patch_sees_its_surroundings_only():
    critic = PatchCritic(6, 8)
    torch.nn.init.normal_(critic.fine.conv2.weight, std=0.1)
    x, y = torch.randn(2, 1, 3, 64, 64)
    moved = x.clone()
    moved[..., 0, 0] += 1
    changed = (critic(x, y) - critic(moved, y)).abs().view(16, 16) > 0
    assert changed[0, 0]
    assert not changed[8:, 8:].any()


def test_a_critic_is_shown_the_source():
    critic, x = PatchCritic(6, 8), torch.randn(2, 3, SIZE, SIZE)
    assert not torch.equal(critic(x, torch.zeros_like(x)), critic(x, torch.ones_like(x)))


def test_a_critic_of_equal_pictures_pays_log_two_without_the_penalty():
    x, y = torch.randn(2, 4, 3, SIZE, SIZE)
    loss = critic_loss(Game(relativistic.discriminator, relativistic.generator), PatchCritic(6, 8), x, x, y)
    assert abs(loss["loss"].item() - math.log(2)) < 1e-6
    assert loss["penalty"] == 0


def test_the_penalty_of_a_linear_critic_is_that_of_a_typical_patch():
    class Linear(PatchCritic):
        def forward(self, x, beside):
            return 3 * x.flatten(1)  # each pixel is a patch, of slope 3

    x, y = torch.randn(2, 8, 3, SIZE, SIZE)
    assert abs(critic_loss(relativistic, Linear(3, 8), x, x, y)["penalty"].item() - 2 * 9) < 1e-3


# Measures


def test_coverage_of_k_draws_from_the_truths_own_distribution():
    drawn, truth = torch.randn(7, 20_000), torch.randn(20_000)
    assert abs(coverage(drawn, truth) - 6 / 8) < 0.01
    assert coverage(torch.zeros(7, 20_000), truth) < 1e-3


def test_lit_share_counts_bright_pixels():
    night = torch.full((2, 3, 4, 4), -1.0)
    night[0, 1, 0, :2] = 0.0
    assert lit_share(night).tolist() == [2 / 16, 0.0]


def test_sharpness_of_stripes():
    stripes = torch.tensor([-1.0, 1.0]).repeat(4).expand(1, 1, 8, 8)
    assert sharpness(stripes) == 1.0  # 2 across, 0 along
    assert sharpness(torch.zeros(1, 1, 8, 8)) == 0


def test_the_spectrum_of_a_wave_has_one_line():
    wave = torch.cos(2 * math.pi * 3 * torch.arange(16) / 16).expand(1, 1, 16, 16)
    found = spectrum(wave)
    assert found.argmax() == 3
    assert found.shape == (9,)
    ring = sum(round(math.hypot(a, b)) == 3 for a in range(-8, 8) for b in range(-8, 8))
    assert abs(found[3].item() * ring - 0.5) < 1e-5  # the mean square of a cosine


def test_patch_distance_is_none_for_equal_sets_in_any_order_and_sees_a_blur():
    x = torch.rand(40, 1, 12, 12) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert patch_distance(x, x) == 0
    assert patch_distance(x.flip(0), x) < 1e-6
    assert patch_distance(blurred, x) > 4 * patch_distance(torch.rand(40, 1, 12, 12) * 2 - 1, x)


def test_patch_distance_of_a_shift_is_the_shift_along_the_mean_direction():
    x = torch.rand(20, 1, 12, 12) - 1
    towards = torch.nn.functional.normalize(torch.randn(36, 20_000, generator=torch.Generator().manual_seed(5)), dim=0)
    want = 0.5 * towards.sum(0).abs().mean()
    assert abs(patch_distance(x + 0.5, x, directions=2_000).item() - want.item()) < 0.02


def test_measures_refuse_what_does_not_fit():
    truth = torch.zeros(3, 1, 8, 8)
    with pytest.raises(ValueError, match="at least two draws"):
        agreement(truth[None], truth)
    with pytest.raises(ValueError, match="at least two draws"):
        coverage(torch.zeros(4, 2), torch.zeros(3))
    with pytest.raises(ValueError, match="at least 6 pixels"):
        patch_distance(truth[..., :4], truth[..., :4])
    with pytest.raises(ValueError, match="square"):
        spectrum(torch.zeros(1, 1, 8, 4))
    with pytest.raises(ValueError, match="at least one draw"):
        draws(PairedFlow(size=SIZE), torch.zeros(1, 3, SIZE, SIZE), 0)


def test_the_gap_to_a_regression_is_free_of_the_number_of_draws():
    for k in (2, 50):
        drawn = 0.5 + torch.randn(k, 400, 1, 4, 4)
        assert abs(night_contest.gap(drawn, torch.zeros(400, 1, 4, 4)).item() - 0.25) < 0.03


# Learning


def test_a_regression_learns_to_darken():
    pixels = torch.randint(0, 256, (64, 3, SIZE, SIZE), dtype=torch.uint8)
    pairs = Pairs(pixels, pixels // 2, torch.arange(64))
    model = learn(steady(MeanRegression(size=SIZE), pairs, 60, batch=16))
    error = (last(model.sample(64, pairs.y)) - pairs.x).square().mean()
    assert error < 0.3 * (pairs.y - pairs.x).square().mean()


def test_a_game_can_be_learned_from_pairs():
    pixels = torch.randint(0, 256, (16, 3, SIZE, SIZE), dtype=torch.uint8)
    model = learn(game(Pix2Pix(size=SIZE), Pairs(pixels, pixels, torch.arange(16)), 2, batch=8))
    assert draws(model, torch.zeros(2, 3, SIZE, SIZE), 3).shape == (3, 2, 3, SIZE, SIZE)


def test_what_draws_is_trained_by_the_courses_own_loop():
    steps = list(train_steps(PairedFlow(size=SIZE), iter([batch()] * 3), 3, optimizer=adamw))
    assert [step.index for step in steps] == [0, 1, 2]
