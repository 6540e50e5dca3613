"""Fashion-MNIST: what is bundled, what the full set is, and what happens where it is not at hand."""

import gzip
import struct

import numpy as np
import pytest
import torch

from course_lib.data import fashion as module
from course_lib.data.fashion import CLASSES, bundled_indices, fashion, others, read_idx


@pytest.fixture
def no_source(monkeypatch, tmp_path):
    """A machine without Debian's files, a cache or a network."""
    monkeypatch.setattr(module, "DEBIAN", tmp_path / "nowhere")
    monkeypatch.setattr(module, "_from_torchvision", lambda split: None)


@pytest.fixture
def folder(tmp_path):
    """The four original files, as small as they can be: 60 training and 10 test images."""
    for prefix, n in (("train", 60), ("t10k", 10)):
        pixels = np.arange(n * 784, dtype=np.uint8)
        with gzip.open(tmp_path / f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">4i", 2051, n, 28, 28) + pixels.tobytes())
        with gzip.open(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">2i", 2049, n) + (np.arange(n, dtype=np.uint8) % 10).tobytes())
    return tmp_path


@pytest.mark.parametrize(("split", "n"), [("train", 5_000), ("test", 1_000)])
def test_bundled_is_balanced(split, n):
    images = fashion(split)
    assert images.pixels.shape == (n, 1, 28, 28)
    assert images.classes == CLASSES
    assert images.labels.bincount().tolist() == [n // 10] * 10
    assert images.pixels.max() == 255
    assert images.pixels.min() == 0


def test_bundled_order_is_mixed():
    assert len(fashion()[:40].labels.unique()) == 10  # the first images already show every class


def test_splits_share_no_image():
    train, test = fashion("train").pixels.flatten(1), fashion("test").pixels.flatten(1)
    rows = torch.cat([train, test]).unique(dim=0)
    assert len(rows) == 6_000


def test_indices_ascend_within_the_original():
    for split, n in (("train", 60_000), ("test", 10_000)):
        index = bundled_indices(split)
        assert index.dtype == torch.int64
        assert (index.diff() > 0).all()
        assert 0 <= index[0] <= index[-1] < n


def test_reads_the_original_files(folder):
    images = read_idx(folder, "train")
    assert images.pixels.shape == (60, 1, 28, 28)
    assert images.labels.tolist() == [i % 10 for i in range(60)]
    assert images.pixels.flatten()[:256].tolist() == list(range(256))


def test_full_comes_from_debians_folder(folder, monkeypatch):
    monkeypatch.setattr(module, "DEBIAN", folder)
    assert len(fashion("test", full=True)) == 10


def test_full_falls_back_and_says_so(no_source):
    with pytest.warns(UserWarning, match="5,000 bundled train images"):
        assert len(fashion(full=True)) == 5_000


def test_others_refuses_where_the_full_set_is_missing(no_source):
    with pytest.raises(ValueError, match="need the full Fashion-MNIST"):
        others()


@pytest.mark.skipif(not module.DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_a_damaged_file_is_refused(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    data = bytearray(path.read_bytes())
    data[40:80] = b"\xff" * 40
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="does not hold the four"):
        read_idx(folder, "train")


def test_bundled_and_others_make_the_whole():
    whole, bundled, rest = fashion(full=True), fashion(), others()
    assert len(whole) == 60_000
    assert len(rest) == 55_000
    assert torch.equal(whole[bundled_indices()].pixels, bundled.pixels)
    assert torch.equal(whole[bundled_indices()].labels, bundled.labels)
    assert (rest.labels.bincount() == 5_500).all()


def test_doors(tmp_path):
    with pytest.raises(ValueError, match="'train' or 'test'"):
        fashion("validation")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        bundled_indices("validation")
    with pytest.raises(ValueError, match="does not hold the four"):
        read_idx(tmp_path, "train")
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"\0" * 100)
    with pytest.raises(ValueError, match="does not hold the four"):
        read_idx(tmp_path, "train")
