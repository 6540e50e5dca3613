"""Streets: the same scene twice, with what only the night knows."""

import pytest
import torch

from course_lib.data.streets import streets


def edges(x):
    return (x[..., 1:] - x[..., :-1]).abs().mean(1) > 0.1


def test_deterministic_and_independent_of_how_many():
    few, many = streets(3, seed=0), streets(5, seed=0)
    assert torch.equal(few.source, many.source[:3])
    assert torch.equal(few.target, many.target[:3])
    assert not torch.equal(streets(3, seed=1).source, few.source)


def test_scenes_differ():
    pairs = streets(30, seed=0)
    assert len(pairs.source.flatten(1).unique(dim=0)) == 30
    assert len(pairs.target.flatten(1).unique(dim=0)) == 30


def test_night_is_darker():
    pairs = streets(20, seed=0)
    assert (pairs.target.float().mean((1, 2, 3)) < 0.6 * pairs.source.float().mean((1, 2, 3))).all()


def test_a_pair_shows_one_scene():
    pairs = streets(20, seed=0)
    rows = slice(18, 40)  # the houses, whose walls and roofs stand where they stood
    day, night = edges(pairs.y[:, :, rows]), edges(pairs.x[:, :, rows])
    own = (day & night).float().mean((1, 2))
    other = (day & night.roll(1, 0)).float().mean((1, 2))
    assert own.mean() > 2 * other.mean()


def test_street_has_the_colour_it_should():
    pairs = streets(1, seed=0)
    assert pairs.source[0, :, 62, 30].tolist() == [95, 95, 102]
    assert pairs.target[0, :, 62, 0].float().sub(torch.tensor([95 * 0.22, 95 * 0.24, 102 * 0.34])).abs().max() < 25


def test_doors():
    with pytest.raises(ValueError, match="0 or more"):
        streets(-1, seed=0)
    assert len(streets(0, seed=0)) == 0
