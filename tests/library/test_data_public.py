"""Public sets: what torchvision gives becomes Images, and no network becomes a clear ValueError."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from course_lib.data import load, public


class FakeCifar:
    classes = ["plane", "car"]

    def __init__(self, root, download, train):
        self.data = np.zeros((6 if train else 2, 32, 32, 3), np.uint8)
        self.targets = [0, 1] * (3 if train else 1)


class FakeFolder(list):
    def __init__(self, root, download, split=None):
        picture = Image.new("RGB", (64, 64) if split is None else (90, 70), (10, 20, 30))
        super().__init__([(picture, i % 10) for i in range(10 if split in (None, "test") else 3)])


def test_cifar(monkeypatch):
    monkeypatch.setattr(datasets, "CIFAR10", FakeCifar)
    assert load("cifar10").pixels.shape == (6, 3, 32, 32)
    assert load("cifar10", "test").labels.tolist() == [0, 1]


def test_eurosat_splits_are_disjoint(monkeypatch):
    monkeypatch.setattr(datasets, "EuroSAT", FakeFolder)
    train, test = load("eurosat"), load("eurosat", "test")
    assert (len(train), len(test)) == (8, 2)
    assert sorted(torch.cat([train.labels, test.labels]).tolist()) == list(range(10))


def test_flowers_are_cut_to_squares(monkeypatch):
    monkeypatch.setattr(datasets, "Flowers102", FakeFolder)
    assert load("flowers102", size=32).pixels.shape == (10, 3, 32, 32)
    test = load("flowers102", "test")
    assert test.pixels.shape == (6, 3, 64, 64)
    assert test.pixels[0, :, 5, 5].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("name", "source"), [("cifar10", "CIFAR10"), ("eurosat", "EuroSAT"), ("flowers102", "Flowers102")]
)
def test_no_network(name, source, monkeypatch):
    def offline(*args, **options):
        raise OSError("network is unreachable")

    monkeypatch.setattr(datasets, source, offline)
    with pytest.raises(ValueError, match="cannot be downloaded"):
        load(name)


def test_doors():
    for call in (public.cifar10, public.eurosat, public.flowers102):
        with pytest.raises(ValueError, match="'train' or 'test'"):
            call("all")
    with pytest.raises(ValueError, match="16 to 256"):
        public.flowers102(size=8)
    with pytest.raises(ValueError, match="size 32 only"):
        load("cifar10", size=64)
