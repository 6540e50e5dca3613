"""Clips: sprites are where the states say, walls mirror exactly, night comes from the east."""

import pytest
import torch

from course_lib.data.earth import earth
from course_lib.data.fashion import fashion
from course_lib.data.video import bouncing, nightfall, reflect


@pytest.mark.parametrize("velocity", [-3, -2, -1, 1, 2, 3])
def test_reflection_is_that_of_a_ball_moved_step_by_step(velocity):
    room, start = 7, 4
    position, speed = reflect(torch.tensor(start), torch.tensor(velocity), torch.arange(60), room)
    x, v = start, velocity
    for t in range(60):
        if (x == room and v > 0) or (x == 0 and v < 0):
            v = -v
        assert (position[t], speed[t]) == (x, v)
        x += v
        if not 0 <= x <= room:
            x, v = (2 * room - x if x > room else -x), -v


def test_reflection_conserves_energy_and_stays_inside():
    position, velocity = reflect(torch.tensor(0), torch.tensor(-3), torch.arange(1_000), room=34)
    assert (velocity.abs() == 3).all()
    assert position.aminmax() == (0, 34)


def test_time_runs_back():
    position, velocity = reflect(torch.tensor(5), torch.tensor(2), torch.arange(50), room=11)
    back, _ = reflect(position[-1], -velocity[-1], torch.arange(50), room=11)
    assert torch.equal(back.flip(0), position)


def test_one_sprite_is_where_the_state_says():
    clips = bouncing(4, 30, seed=0, count=1, size=32)
    for clip, states in zip(clips.frames, clips.states):
        x, y = states[0, 0, :2].long().tolist()
        first = clip[0, :, y : y + 14, x : x + 14]
        for frame, state in zip(clip, states):
            x, y = state[0, :2].long().tolist()
            expected = torch.zeros_like(frame)
            expected[:, y : y + 14, x : x + 14] = first
            assert torch.equal(frame, expected)


def test_a_longer_clip_begins_like_a_shorter_one():
    short, long = bouncing(3, 10, seed=7), bouncing(3, 100, seed=7)
    assert torch.equal(long.frames[:, :10], short.frames)
    assert torch.equal(long.states[:, :10], short.states)


def test_velocity_is_the_difference_of_positions_away_from_walls():
    states = bouncing(50, 40, seed=1).states
    step, v = states[:, 1:, :, :2] - states[:, :-1, :, :2], states[..., 2:]
    free = v[:, 1:] == v[:, :-1]
    assert free.float().mean() > 0.9
    assert torch.equal(step[free], v[:, :-1][free])


def test_sprites_come_from_the_split():
    clips = bouncing(20, 2, seed=0, count=1, split="test")
    assert clips.frames.shape == (20, 2, 1, 48, 48)
    assert set(clips.labels.tolist()) <= set(fashion("test").labels.tolist())
    colour = bouncing(2, 3, seed=0, sprite="emoji", size=32, split="test")
    assert colour.frames.shape == (2, 3, 3, 32, 32)
    assert colour.frames.amax() == 255


def test_nightfall_begins_by_day_and_ends_by_night():
    clips = nightfall(4, 9, seed=0, split="test")
    pairs = earth("test")
    for clip, place in zip(clips.frames, clips.labels):
        day = pairs.source[pairs.place == place][0].short()
        night = pairs.target[pairs.place == place][0].short()
        assert (clip[0].short() - day).abs().max() <= 1
        assert (clip[-1].short() - torch.maximum((0.12 * day).round().short(), night)).abs().max() <= 2


def test_night_comes_from_the_east_at_an_even_pace():
    clips = nightfall(3, 11, seed=2)
    edge = clips.states[..., 0]
    assert torch.allclose(edge.diff(dim=1), edge.diff(dim=1)[:, :1].expand(3, 10), atol=1e-3)
    middle = clips.frames[:, 5].float().mean(1)
    assert (middle[:, 24:40, :16].mean((1, 2)) > 2 * middle[:, 24:40, -16:].mean((1, 2))).all()


def test_same_seed_same_clips():
    assert torch.equal(bouncing(2, 3, seed=1).frames, bouncing(2, 3, seed=1).frames)
    assert torch.equal(nightfall(2, 3, seed=1).frames, nightfall(2, 3, seed=1).frames)
    assert len(nightfall(0, 2, seed=0)) == len(bouncing(0, 2, seed=0)) == 0


def test_doors():
    with pytest.raises(ValueError, match="2 or more frames"):
        bouncing(1, 1, seed=0)
    with pytest.raises(ValueError, match="0 or more clips"):
        nightfall(-1, 5, seed=0)
    with pytest.raises(ValueError, match="1 to 4 sprites"):
        bouncing(1, 5, seed=0, count=0)
    with pytest.raises(ValueError, match="24 to 128"):
        bouncing(1, 5, seed=0, size=16)
    with pytest.raises(ValueError, match="'fashion' or 'emoji'"):
        bouncing(1, 5, seed=0, sprite="digits")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        bouncing(1, 5, seed=0, split="all")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        nightfall(1, 5, seed=0, split="all")
    with pytest.raises(ValueError, match="room"):
        reflect(torch.tensor(0), torch.tensor(1), torch.arange(3), room=0)
