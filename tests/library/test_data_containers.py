"""Images, Pairs, Captioned, Clips: what they hold, how they are shuffled, and what they refuse."""

from itertools import islice

import pytest
import torch

from course_lib.data import Captioned, Clips, Images, Pairs, Vocabulary, load, to_float, to_uint8
from course_lib.data.captions import words
from course_lib.data.images import shuffled


def pixels(n=6, size=4, channels=1):
    return torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, channels, size, size).clone()


def floats(n=6):
    return Images(pixels(n), torch.arange(n), tuple("abcdef"))


def pairs(n=6):
    return Pairs(pixels(n), pixels(n, channels=3) + 100, torch.arange(n))


def clips(n=6):
    return Clips(pixels(n)[:, None].repeat(1, 5, 1, 1, 1), torch.zeros(n, 5, 2), torch.arange(n))


def captioned():
    return Captioned(pixels(3), ("a red circle", "a blue star", "two cats"))


def test_range_round_trip():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert to_float(levels).aminmax() == (-1, 1)


def test_to_uint8_clips():
    assert to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_ranges_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        to_float(torch.zeros(3))
    with pytest.raises(ValueError, match="float"):
        to_uint8(torch.zeros(3, dtype=torch.uint8))


def test_an_epoch_sees_each_row_once():
    index = torch.cat(list(islice(shuffled(torch.zeros(12), 4, seed=3), 3)))
    assert index.sort().values.tolist() == list(range(12))


def test_epochs_differ_and_the_seed_repeats_them():
    first, again = (torch.stack(list(islice(shuffled(torch.zeros(8), 8, seed=1), 2))) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])


def test_batches_are_full():
    assert {len(batch.x) for batch in islice(floats().batches(4), 5)} == {4}


@pytest.mark.parametrize("data", [floats(), pairs(), clips(), captioned()])
@pytest.mark.parametrize("size", [0, 7])
def test_batch_size_is_refused_at_once(data, size):
    with pytest.raises(ValueError, match="a batch must hold"):
        data.batches(size)


def test_batch_keeps_image_and_label_together():
    x, y = next(floats().batches(6))
    assert torch.equal(x, to_float(y.to(torch.uint8)).view(6, 1, 1, 1).expand_as(x))


def test_pairs_batch_is_target_given_source():
    x, y = next(pairs().batches(4))
    assert x.shape == (4, 3, 4, 4)
    assert y.shape == (4, 1, 4, 4)
    assert torch.allclose(x[:, :1] - y, torch.full_like(y, 100 / 127.5), atol=1e-6)


def test_pairs_swap():
    assert torch.equal(pairs().swapped().target, pairs().source)
    assert torch.equal(pairs().swapped().x, pairs().y)


def test_clips_batch():
    x, y = next(clips().batches(4))
    assert x.shape == (4, 5, 1, 4, 4)
    assert torch.equal(to_uint8(x)[:, 0, 0, 0, 0].long(), y)


@pytest.mark.parametrize("data", [floats(), pairs(), clips(), captioned()])
def test_selection(data):
    assert len(data[:2]) == 2
    assert len(data[torch.tensor([2, 0])]) == 2
    assert len(data[torch.arange(len(data)) == 1]) == 1
    assert len(data.to("cpu")) == len(data)
    assert data.x.min() >= -1


def test_captioned_selection_keeps_words_and_order():
    chosen = captioned()[torch.tensor([2, 0])]
    assert chosen.captions == ("two cats", "a red circle")
    assert chosen.vocabulary == captioned().vocabulary
    assert chosen.pixels[:, 0, 0, 0].tolist() == [2, 0]
    assert chosen.tokens.shape == (2, 3)


def test_captions_round_trip():
    data = captioned()
    assert [data.vocabulary.decode(row) for row in data.tokens] == list(data.captions)
    _, tokens = next(data.batches(2))
    assert tokens.shape == (2, 3)
    assert tokens.dtype == torch.int64


def test_words():
    assert words("Man: medium-dark skin, 1st (O’clock)") == ["man", "medium", "dark", "skin", "1st", "o’clock"]


def test_unknown_word_is_one():
    vocabulary = Vocabulary.of(["red star"])
    assert len(vocabulary) == 4
    assert vocabulary.encode(["blue star"], 3).tolist() == [[1, 3, 0]]
    assert vocabulary.decode(torch.tensor([1, 3, 0])) == "? star"


def test_vocabulary_doors():
    vocabulary = Vocabulary.of(["red star"])
    with pytest.raises(ValueError, match="at least 2"):
        vocabulary.encode(["red star"], 1)
    with pytest.raises(ValueError, match="one caption"):
        vocabulary.decode(torch.tensor([9]))
    with pytest.raises(ValueError, match="one caption"):
        vocabulary.decode(torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="must differ"):
        Vocabulary(("red", "red"))


def test_containers_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="pixels must be uint8"):
        Images(pixels().float(), torch.arange(6))
    with pytest.raises(ValueError, match="pixels must be uint8"):
        Images(pixels()[0], torch.arange(4))
    with pytest.raises(ValueError, match="labels must be int64"):
        Images(pixels(), torch.arange(5))
    with pytest.raises(ValueError, match="labels must be int64"):
        Images(pixels(), torch.arange(6).float())
    with pytest.raises(ValueError, match="labels must lie in"):
        Images(pixels(), torch.arange(6), ("a", "b"))
    with pytest.raises(ValueError, match="same thing at the same size"):
        Pairs(pixels(), pixels(size=8), torch.arange(6))
    with pytest.raises(ValueError, match="place must be int64"):
        Pairs(pixels(), pixels(), torch.arange(5))
    with pytest.raises(ValueError, match="6 captions"):
        Captioned(pixels(), ("a",))
    with pytest.raises(ValueError, match="frames must be uint8"):
        Clips(pixels(), torch.zeros(6, 5), torch.arange(6))
    with pytest.raises(ValueError, match="states must be float32"):
        Clips(clips().frames, torch.zeros(6, 4), torch.arange(6))


def test_load_refuses_unknown_names_and_options():
    with pytest.raises(ValueError, match="fashion"):
        load("mnist")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        load("fashion", "validation")
    with pytest.raises(ValueError, match="size"):
        load("fashion", size=64)
    with pytest.raises(ValueError, match="full"):
        load("digits", full=True)
