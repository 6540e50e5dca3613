"""Emoji and professions: every concept in both styles, every cell of the table, and no kin across the splits."""

import pytest
import torch

from course_lib.data.attributed import Attributed
from course_lib.data.emoji import GROUPS, STYLES, emoji, emoji_pairs, groups
from course_lib.data.professions import GENDERS, NAMES, PROFESSIONS, TONES, professions


@pytest.mark.parametrize("style", STYLES)
def test_every_concept_has_its_own_picture_and_caption(style):
    data = emoji(style, "all")
    assert data.pixels.shape == (1_590, 3, 32, 32)
    assert len(data.pixels.flatten(1).unique(dim=0)) == 1_590
    assert len(set(data.captions)) == 1_590


def test_pairs_are_the_same_concepts_in_two_styles():
    pairs = emoji_pairs("test")
    assert torch.equal(pairs.source, emoji("noto", "test").pixels)
    assert torch.equal(pairs.target, emoji("fluent", "test").pixels)
    captions = emoji("noto", "all").captions
    assert tuple(captions[i] for i in pairs.place.tolist()) == emoji("fluent", "test").captions


def test_splits_are_disjoint_and_whole():
    train, test = emoji_pairs("train").place, emoji_pairs("test").place
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(1_590))
    assert len(test) == 155


def test_no_farmer_on_both_sides():
    train, test = (set(emoji("noto", split).captions) for split in ("train", "test"))
    for job in ("farmer", "singer", "cook", "firefighter", "mage"):
        kin = {job, f"man {job}", f"woman {job}"}
        assert not (kin & train and kin & test)
    for split in (train, test):
        clocks = [caption for caption in split if "o’clock" in caption or "-thirty" in caption]
        assert len(clocks) in (0, 24)


def test_tokens_decode_to_the_captions():
    data = emoji("noto", "test")
    assert data.vocabulary == emoji("fluent", "train").vocabulary
    assert (data.tokens != 1).all()  # no unknown word in either split
    assert data.vocabulary.decode(data.tokens[0]) == "winking face"


def test_groups():
    labels = groups("all")
    assert labels.shape == (1_590,)
    captions = emoji("noto", "all").captions
    for caption, group in (
        ("grinning face", "smileys & emotion"),
        ("fox", "animals & nature"),
        ("peach", "food & drink"),
    ):
        assert GROUPS[labels[captions.index(caption)]] == group


def test_every_cell_of_the_professions_is_filled():
    data = professions("all")
    assert data.pixels.shape == (360, 3, 32, 32)
    assert len(data.attributes.unique(dim=0)) == 360 == len(PROFESSIONS) * len(GENDERS) * len(TONES)
    assert len(data.pixels.flatten(1).unique(dim=0)) == 348  # the helmet hides an astronaut's gender


def test_tones_darken():
    data = professions("all")
    brightness = [data.x[data.column("tone") == k].mean() for k in range(2, 6)]  # the lightest has black hair
    assert brightness == sorted(brightness, reverse=True)


def test_professions_splits_share_no_picture():
    train, test = professions("train"), professions("test")
    assert (len(train), len(test)) == (326, 34)
    both = torch.cat([train.pixels.flatten(1).unique(dim=0), test.pixels.flatten(1)])
    assert len(both.unique(dim=0)) == len(both)


def test_attributes():
    data = professions("all")
    assert data.describe(-1) == {"profession": "construction worker", "gender": "person", "tone": "dark"}
    assert data.images("gender").classes == GENDERS
    assert data.images("tone").labels.bincount().tolist() == [60] * 6
    x, y = next(data[:20].to("cpu").batches(8))
    assert x.shape == (8, 3, 32, 32)
    assert y.shape == (8, 3)
    assert data.x.aminmax() == (-1, 1)


def test_doors():
    with pytest.raises(ValueError, match="'noto' or 'fluent'"):
        emoji("apple")
    with pytest.raises(ValueError, match="'train' or 'test' or 'all'"):
        emoji("noto", "validation")
    with pytest.raises(ValueError, match="'train' or 'test' or 'all'"):
        professions("validation")
    with pytest.raises(ValueError, match="profession, gender, tone"):
        professions().column("age")
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match="attributes must be int64"):
        Attributed(pixels, torch.zeros(1, 2, dtype=torch.int64), NAMES)
    with pytest.raises(ValueError, match="index into its names"):
        Attributed(pixels, torch.tensor([[20, 0, 0]]), NAMES)
