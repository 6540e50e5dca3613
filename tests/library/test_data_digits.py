"""The digits are scikit-learn's, and their 17 levels survive storage as pixels."""

import pytest
import torch
from sklearn.datasets import load_digits

from course_lib.data.digits import digits, from_levels, levels


def test_equal_to_the_source():
    source = load_digits()
    k = torch.cat([levels(digits(split).pixels) for split in ("train", "test")])
    y = torch.cat([digits(split).labels for split in ("train", "test")])
    assert k.shape == (1_797, 1, 8, 8)
    assert torch.equal(k[:, 0], torch.from_numpy(source.images).long())
    assert torch.equal(y, torch.from_numpy(source.target))


def test_levels_round_trip():
    assert torch.equal(levels(from_levels(torch.arange(17))), torch.arange(17))
    assert from_levels(torch.tensor([0, 16])).tolist() == [0, 255]


def test_every_class_is_in_each_split():
    for split in ("train", "test"):
        assert (digits(split).labels.bincount(minlength=10) >= 30).all()


def test_doors():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        digits("all")
    with pytest.raises(ValueError, match="0..16"):
        from_levels(torch.tensor([17]))
    with pytest.raises(ValueError, match="0..16"):
        from_levels(torch.tensor([0.5]))
    with pytest.raises(ValueError, match="uint8"):
        levels(torch.zeros(2))
