"""Every scene is read back exactly; what is not a scene is not read; held-out pairs stay out."""

import pytest
import torch

from course_lib.data.captions import words
from course_lib.data.reading import read, score
from course_lib.data.shapes import COLOURS, HELD_OUT, RADII, RELATIONS, SHAPES, Scene, Thing, draw, shapes, vocabulary


@pytest.mark.parametrize(("split", "seed"), [("train", 0), ("test", 1)])
def test_a_thousand_random_scenes_are_read_back(split, seed):
    data = shapes(1_000, seed, split)
    assert [str(scene) for scene in read(data.pixels)] == list(data.captions)


def test_every_thing_is_read_back_in_every_role():
    things = [Thing(size, colour, shape) for size in RADII for colour in COLOURS for shape in SHAPES]
    scenes = [Scene(a, relation, b) for a, b in zip(things, things[7:] + things[:7]) for relation in RELATIONS]
    for seed in range(3):
        assert read(draw(scenes, seed)) == scenes


def test_noise_of_a_few_levels_changes_nothing():
    data = shapes(200, seed=5)
    noise = torch.randint(-12, 13, data.pixels.shape)
    noisy = (data.pixels.short() + noise).clamp(0, 255).to(torch.uint8)
    assert [str(scene) for scene in read(noisy)] == list(data.captions)


def test_what_is_not_a_scene_is_not_read():
    blank = torch.full((1, 3, 32, 32), 245, dtype=torch.uint8)
    noise = torch.randint(256, (1, 3, 32, 32)).to(torch.uint8)
    whole = shapes(1, seed=0).pixels
    half = whole.clone()
    row = Scene.of(shapes(1, seed=0).captions[0]).relation == "left of"
    half[:, :, :, 16:] = 245 if row else half[:, :, :, 16:]
    half[:, :, 16:, :] = half[:, :, 16:, :] if row else 245
    smear = (0.5 * whole.float() + 0.5 * whole.flip(-1).flip(-2).float()).to(torch.uint8)
    assert read(torch.cat([blank, noise, half])) == [None] * 3
    assert str(read(smear)[0]) != shapes(1, seed=0).captions[0]


def test_held_out_pairs():
    train, test = (shapes(500, seed=0, split=split) for split in ("train", "test"))
    pairs = [
        {(t.colour, t.shape) for s in map(Scene.of, data.captions) for t in (s.first, s.second)}
        for data in (train, test)
    ]
    assert not pairs[0] & HELD_OUT
    assert len(pairs[0]) == 24 - len(HELD_OUT)  # all others are seen
    assert pairs[1] >= HELD_OUT
    assert all(Scene.of(caption).is_held_out() for caption in test.captions)


def test_opposite_relations_are_the_same_scene():
    left = Scene.of("a large red circle left of a small blue star")
    assert Scene.of("a small blue star right of a large red circle") == left
    above = Scene.of("a large red circle above a small blue star")
    assert Scene.of("a small blue star below a large red circle") == above
    assert Scene.of(str(above)) == above


def test_tokens():
    data = shapes(50, seed=0)
    assert data.tokens.shape == (50, 10)
    assert (data.tokens != 1).all()
    assert data.vocabulary == vocabulary()
    assert max(len(words(caption)) for caption in data.captions) == 10


def test_deterministic():
    first, again, other = shapes(9, seed=4), shapes(9, seed=4), shapes(9, seed=5)
    assert torch.equal(first.pixels, again.pixels)
    assert first.captions == again.captions != other.captions


def test_score_tells_binding_from_attributes():
    meant = "a large red circle left of a small blue star"
    swapped = "a large blue circle left of a small red star"
    mirrored = "a small blue star left of a large red circle"
    drawn = draw([Scene.of(caption) for caption in (meant, swapped, mirrored)], seed=0)
    marks = [score(drawn[i : i + 1], (meant,)) for i in range(3)]
    assert set(marks[0].values()) == {1.0}
    assert (marks[1]["attributes"], marks[1]["binding"], marks[1]["exact"]) == (1.0, 0.0, 0.0)
    assert (marks[2]["binding"], marks[2]["exact"]) == (1.0, 0.0)
    blank = torch.full((1, 3, 32, 32), 245, dtype=torch.uint8)
    assert set(score(blank, (meant,)).values()) == {0.0}


def test_doors():
    with pytest.raises(ValueError, match="0 or more"):
        shapes(-1, seed=0)
    with pytest.raises(ValueError, match="'train' or 'test'"):
        shapes(1, seed=0, split="all")
    with pytest.raises(ValueError, match="needs one of left of"):
        Scene.of("a large red circle")
    with pytest.raises(ValueError, match="SIZE COLOUR SHAPE"):
        Scene.of("a red circle left of a small blue star")
    with pytest.raises(ValueError, match="a thing is one of"):
        Thing("huge", "red", "circle")
    with pytest.raises(ValueError, match="pixels must be uint8"):
        read(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="pixels must be uint8"):
        read(torch.zeros(1, 3, 28, 28, dtype=torch.uint8))
    with pytest.raises(ValueError, match="one caption for each"):
        score(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), ("a",))
    assert len(shapes(0, seed=0)) == 0
