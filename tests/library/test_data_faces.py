"""Faces: every attribute is what it says, changes what it should, and goes with others as often as planned."""

import pytest
import torch

from course_lib.data import load
from course_lib.data.faces import (
    PALETTES,
    Joint,
    changed,
    coarse,
    crossed,
    faces,
    groups,
    load_faces,
    names,
    render,
    uncrossed,
)


def test_deterministic_and_apart():
    train, test = load("faces"), load("faces", "test")
    assert torch.equal(train.pixels, load_faces().pixels)
    assert (len(train), len(test)) == (4_000, 1_000)
    pixels = torch.cat([train.pixels, test.pixels]).flatten(1).unique(dim=0)
    assert len(pixels) == 5_000


def test_render_draws_what_faces_drew():
    data = faces(20, seed=3)
    assert torch.equal(render(data.attributes), data.pixels)


def test_size_32_repeats_each_pixel():
    small, large = faces(5, seed=1), faces(5, seed=1, size=32)
    assert large.pixels.shape == (5, 3, 32, 32)
    assert torch.equal(large.pixels[..., ::2, ::2], small.pixels)
    assert torch.equal(large.pixels[..., 1::2, 1::2], small.pixels)


def test_132_layers():
    shapes = [name for name in names() if not name.endswith("colour") and name != "skin"]
    assert 1 + sum(len(names()[name]) - ("none" in names()[name]) for name in shapes) == 132


def test_colour_is_painted_as_it_is():
    data = changed(changed(changed(faces(4, seed=0), "clothing", "clothing 01"), "hat", "none"), "glasses", "none")
    for colour in ("navy", "yellow"):
        rgb = torch.tensor(list(bytes.fromhex(PALETTES["clothing"][colour])), dtype=torch.uint8)
        painted = changed(data, "clothing colour", colour).pixels
        assert (painted == rgb[:, None, None]).all(1).flatten(1).any(1).all()


def test_a_change_is_local():
    data = faces(64, seed=0)
    moved = (changed(data, "mouth", "sad 01").pixels != data.pixels).any(1).any(0)
    rows = moved.any(1).nonzero()[:, 0]
    assert 8 <= rows.min() <= rows.max() <= 11  # the mouth
    again = changed(changed(data, "hat", "hat 01"), "hat", "hat 01")
    assert torch.equal(again.column("hair"), data.column("hair"))


def test_what_is_not_worn_has_no_visible_colour():
    data = changed(faces(16, seed=0), "hat", "none")
    assert torch.equal(changed(data, "hat colour", "pink").pixels, data.pixels)


def test_groups_are_uniform():
    data = faces(6_000, seed=0)
    for name in ("hair", "hat", "glasses", "skin"):
        counts = coarse(data, name).labels.bincount(minlength=len(groups(name))) / 6_000
        assert (counts - 1 / len(groups(name))).abs().max() < 0.03  # over four standard errors


def test_every_value_is_drawn():
    attributes = faces(6_000, seed=0).attributes
    for column, values in zip(attributes.unbind(1), names().values()):
        assert (column.bincount(minlength=len(values)) > 0).all()


def test_planted_correlation_is_found():
    table = [[0.1, 0.2, 0.3], [0.25, 0.15, 0.0]]
    data = faces(8_000, seed=2, joint=Joint("hair", "glasses", table))
    cells = coarse(data, "hair").labels * 3 + coarse(data, "glasses").labels
    found = cells.bincount(minlength=6).view(2, 3) / 8_000
    assert (found - torch.tensor(table)).abs().max() < 0.02
    assert found[1, 2] == 0


def test_a_joint_leaves_the_others_alone():
    data = faces(8_000, seed=2, joint=Joint("hair", "mouth", [[0.5, 0.0], [0.0, 0.5]]))
    wears = coarse(data, "hat").labels.bool()
    long = coarse(data, "hair").labels == 0
    assert abs(long[wears].float().mean() - long[~wears].float().mean()) < 0.05


def test_doors():
    with pytest.raises(ValueError, match="0 or more"):
        faces(-1, seed=0)
    with pytest.raises(ValueError, match="16 or 32"):
        faces(1, seed=0, size=64)
    with pytest.raises(ValueError, match="'train' or 'test'"):
        load_faces("all")
    with pytest.raises(ValueError, match="no attribute 'beard'"):
        groups("beard")
    with pytest.raises(ValueError, match="no value"):
        changed(faces(1, seed=0), "hat", "crown")
    with pytest.raises(ValueError, match="attributes must be int64"):
        render(torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="index into its names"):
        render(torch.full((1, 15), 99))
    assert len(faces(0, seed=0)) == 0


def test_joint_doors():
    with pytest.raises(ValueError, match="two attributes and a table"):
        Joint("hair", "mouth", [[0.5, 0.5]])
    with pytest.raises(ValueError, match="two attributes and a table"):
        Joint("hair", "hair", [[0.5, 0.0], [0.0, 0.5]])
    with pytest.raises(ValueError, match="sum to 1"):
        Joint("hair", "mouth", [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="sum to 1"):
        Joint("hair", "mouth", [[1.5, -0.5], [0.0, 0.0]])
    with pytest.raises(ValueError, match="rows of numbers"):
        Joint("hair", "mouth", [[0.5, 0.5], [0.0]])
    with pytest.raises(ValueError, match="no attribute"):
        Joint("beard", "mouth", [[1.0]])


def test_crossed_labels_come_apart_again():
    data, told = faces(200, seed=1), ["hair", "glasses", "hat"]
    images = crossed(data, told)
    assert images.classes[images.labels[0]] == " ".join(groups(name)[coarse(data, name).labels[0]] for name in told)
    for name, group in uncrossed(images.labels, told).items():
        assert torch.equal(group, coarse(data, name).labels)
