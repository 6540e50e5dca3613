"""Batches of 64 from Fashion-MNIST: an index into a tensor, beside the usual loader with the usual transforms.

The loader reads as torchvision's data set does, an image at a time through Pillow, ToTensor and Normalize. With two
workers, which are processes of their own, seconds are those on the wall; on two cores they can at most halve the time,
and the course's batches leave the second core free. The floor is to copy what a batch reads and writes.
"""

import time
from collections.abc import Iterator
from itertools import islice

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting
from benchmarks.floor import Work
from benchmarks.timing import Job
from course_lib.data.images import Images

SIZE = 64


def run(setting: Setting) -> Iterator[dict]:
    """Rows of the course's batches beside the loader's, without workers and with two."""
    count = setting.pick(100, 2)
    pixels = torch.randint(0, 256, (setting.pick(20_000, 200), 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, torch.arange(len(pixels)) % 10).to(setting.device)
    work = {OURS: Work(moved=count * SIZE * 28 * 28 * (1 + 4))}  # a byte a pixel is read, four are written
    for workers in (0,) if setting.smoke else (0, 2):
        others = {f"DataLoader, {workers} workers": lambda workers=workers: loader(pixels, workers, count, setting)}
        jobs = {OURS: lambda: taken(images.batches(SIZE), count)} | peers.found(others)[0]
        watch, clock = (time.perf_counter, "on the wall") if workers else (None, "at work")
        what = f"{count} batches of {SIZE}, 28 px, seconds {clock}"
        yield from Contest(what, jobs, count * SIZE, work={} if workers else work, watch=watch).held(setting)


def taken(batches: Iterator, count: int) -> None:
    for _ in islice(batches, count):
        pass


class OneByOne(Dataset):
    """What `torchvision.datasets.MNIST` does for an image."""

    def __init__(self, pixels: torch.Tensor, transform) -> None:
        self.pixels, self.transform = pixels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index, 0].numpy(), mode="L")), index % 10


def loader(pixels: torch.Tensor, workers: int, count: int, setting: Setting) -> Job:
    """Its start is not counted: the workers of an endless loader are there before the clock runs."""
    from torchvision import transforms

    shown = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    batches = DataLoader(OneByOne(pixels, shown), SIZE, shuffle=True, num_workers=workers, drop_last=True)
    endless = forever(batches)

    def read() -> None:
        for x, y in islice(endless, count):
            x.to(setting.device), y.to(setting.device)

    return read


def forever(batches: DataLoader) -> Iterator:
    while True:
        yield from batches
