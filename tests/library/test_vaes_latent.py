"""Walks in the latent space: lines, arcs, maps, directions and how smooth a path is."""

import math

import pytest
import torch
from torch.distributions import Normal

from course_lib.vaes.latent import attribute_direction, detour, drift, largest_jump, lerp, map_grid, path_length, slerp

T = torch.linspace(0, 1, 9, dtype=torch.float64)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("walk", [lerp, slerp])
def test_walks_begin_at_a_and_end_at_b(walk):
    a, b = normal(5, 16), normal(5, 16)
    path = walk(a, b, T)
    assert path.shape == (9, 5, 16)
    assert torch.allclose(path[0], a, atol=1e-12)
    assert torch.allclose(path[-1], b, atol=1e-12)


def test_a_line_passes_through_the_middle():
    assert torch.allclose(lerp(torch.zeros(2), torch.tensor([2.0, 4.0]), T)[4], torch.tensor([1.0, 2.0]))


def test_an_arc_keeps_its_length_and_turns_evenly():
    a, b = torch.tensor([2.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    known = 2 * torch.stack([(T * math.pi / 2).cos(), (T * math.pi / 2).sin()], 1)
    assert torch.allclose(slerp(a, b, T), known, atol=1e-12)


def test_in_many_dimensions_a_line_leaves_the_shell_and_an_arc_does_not():
    a, b = normal(200, 128), normal(200, 128)
    middle = torch.tensor([0.5], dtype=torch.float64)
    assert float(lerp(a, b, middle).norm(dim=-1).mean()) == pytest.approx(math.sqrt(128 / 2), rel=0.02)
    assert float(slerp(a, b, middle).norm(dim=-1).mean()) == pytest.approx(math.sqrt(128), rel=0.02)


def test_an_arc_between_parallel_latents_is_a_line():
    a = normal(3, 4)
    assert torch.allclose(slerp(a, 2 * a, T), lerp(a, 2 * a, T), atol=1e-9)
    assert torch.allclose(slerp(a, a, T), a.expand(9, 3, 4), atol=1e-9)


def test_walks_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="no arc is the shortest"):
        slerp(torch.ones(2), -torch.ones(2), T)
    for walk in (lerp, slerp):
        with pytest.raises(ValueError, match="of one shape"):
            walk(torch.ones(2), torch.ones(3), T)
        with pytest.raises(ValueError, match="times"):
            walk(torch.ones(2), torch.ones(2), torch.tensor(0.5))


def test_a_map_divides_the_prior_into_equal_cells():
    grid = map_grid(5).view(5, 5, 2)
    share = Normal(0.0, 1.0).cdf(grid)
    right = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    assert torch.allclose(share[..., 0], right.expand(5, 5), atol=1e-6)
    assert torch.allclose(share[..., 1], right.flip(0)[:, None].expand(5, 5), atol=1e-6)
    assert torch.equal(map_grid(1), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="1 or more"):
        map_grid(0)


def test_the_direction_of_an_attribute_is_the_step_that_it_makes():
    step, present = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64), torch.rand(20_000) < 0.3
    latents = normal(20_000, 3) + present[:, None] * step
    assert torch.allclose(attribute_direction(latents, present), step, atol=8e-2)  # five standard errors
    assert torch.allclose(attribute_direction(latents, ~present), -attribute_direction(latents, present), atol=1e-12)


def test_what_goes_together_with_an_attribute_goes_along():
    """Two attributes that agree in 90 % of the data: each direction holds 0.8 of the other's."""
    first = torch.rand(50_000) < 0.5
    second = torch.where(torch.rand(50_000) < 0.9, first, ~first)
    latents = torch.stack([first, second], 1).double()
    assert torch.allclose(attribute_direction(latents, first), torch.tensor([1.0, 0.8]).double(), atol=2e-2)


@pytest.mark.parametrize("present", [torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)])
def test_a_direction_needs_both_kinds(present):
    with pytest.raises(ValueError, match="with the attribute and without"):
        attribute_direction(normal(3, 2), present)
    with pytest.raises(ValueError, match="bool"):
        attribute_direction(normal(3, 2), present.long())


def circle(points: int) -> torch.Tensor:
    angle = torch.linspace(0, math.pi, points, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1)[:, None]  # (S, 1, 2)


def test_a_half_circle_is_pi_long_and_a_detour_of_pi_over_two():
    assert float(path_length(circle(2000))) == pytest.approx(math.pi, abs=1e-5)
    assert float(detour(circle(2000))) == pytest.approx(math.pi / 2, abs=1e-5)
    assert float(largest_jump(circle(2000))) == pytest.approx(1, abs=1e-9)


def test_a_cross_fade_is_straight_and_a_cut_happens_at_once():
    a, b = normal(4, 3, 8, 8), normal(4, 3, 8, 8)
    fade = torch.stack([torch.lerp(a, b, t) for t in T])
    cut = torch.stack([a if t < 0.5 else b for t in T])
    for states in (fade, cut):
        assert torch.allclose(path_length(states), (b - a).flatten(1).norm(dim=1), atol=1e-9)
        assert torch.allclose(detour(states), torch.ones(4, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(largest_jump(fade), torch.ones(4, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(largest_jump(cut), torch.full((4,), 8.0, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("measure", [path_length, detour, largest_jump])
def test_paths_need_two_states_and_a_batch(measure):
    for shape in [(1, 4, 3), (5, 3)]:
        with pytest.raises(ValueError, match="at least two states"):
            measure(normal(*shape))


def test_a_decoder_drifts_only_where_its_encoder_has_not_been():
    """An encoder that knows [-1, 1] alone: further out, decoding and reading again comes back to the border."""
    z = torch.tensor([[0.5], [1.0], [3.0]], dtype=torch.float64)
    found = drift(z, encode=lambda x: (x.flatten(1) / 2).clamp(-1, 1), decode=lambda z: 2 * z.view(-1, 1, 1, 1))
    assert torch.allclose(found, torch.tensor([0.0, 0.0, 16.0], dtype=torch.float64), atol=1e-12)
