"""Textures: training pieces are good, and a test piece differs from its good self in its mask alone."""

import numpy as np
import pytest
import torch

from course_lib.data.textures import _DAMAGES, _MAKERS, DEFECTS, MATERIALS, Masked, textures


def test_training_pieces_are_good():
    pieces = textures(30, seed=0)
    assert not pieces.masks.any()
    assert not pieces.defects.any()
    assert pieces.materials.bincount().tolist() == [10, 10, 10]


def test_test_pieces_have_each_defect_on_each_material():
    pieces = textures(72, seed=0, split="test")
    cells = pieces.defects * 3 + pieces.materials
    assert cells.bincount(minlength=15).tolist() == [8] * 3 + [4] * 12
    assert torch.equal(pieces.masks.flatten(1).any(1), pieces.defects > 0)


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("maker", _MAKERS)
def test_damage_is_inside_its_mask_and_visible_there(maker, damage):
    rng = np.random.default_rng(0)
    for _ in range(5):
        good = maker(rng, 64)
        bad, mask = damage(rng, good)
        assert (bad == good)[~mask].all()
        assert abs(bad - good)[mask].mean() > 0.02
        assert 0.001 < mask.mean() < 0.15


def test_a_good_test_piece_looks_like_a_training_piece():
    train, test = textures(60, seed=0), textures(180, seed=1, split="test")
    good = test[test.defects == 0]
    for k in range(len(MATERIALS)):
        means = [data.x[data.materials == k].mean() for data in (train, good)]
        assert abs(means[0] - means[1]) < 0.1


def test_container():
    pieces = textures(9, seed=0, split="test", size=32)
    assert pieces.x.shape == (9, 1, 32, 32)
    assert pieces.images().classes == MATERIALS
    assert len(pieces[pieces.defects > 0]) == 6
    assert len(DEFECTS) == 5
    assert torch.equal(textures(9, seed=0, split="test", size=32).pixels, pieces.pixels)


def test_doors():
    with pytest.raises(ValueError, match="0 or more"):
        textures(-1, seed=0)
    with pytest.raises(ValueError, match="32 to 128"):
        textures(1, seed=0, size=16)
    with pytest.raises(ValueError, match="'train' or 'test'"):
        textures(1, seed=0, split="all")
    pixels = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match="masks must be bool"):
        Masked(pixels, pixels, torch.zeros(2).long(), torch.zeros(2).long())
    assert len(textures(0, seed=0)) == 0
