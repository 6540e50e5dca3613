"""Rebuild the fashion atlas: `python -m course_lib.data.rebuild.fashion FOLDER`.

FOLDER holds the four .gz files of Fashion-MNIST, as Debian's package dataset-fashion-mnist
(0.0~git20200523.55506a9-1) installs them.
"""

import sys
from pathlib import Path

import numpy as np

from course_lib.data.atlas import to_sheet
from course_lib.data.fashion import read_idx
from course_lib.data.rebuild.write import save_arrays, save_sheet

PER_CLASS = {"train": 500, "test": 100}
SEED = 0
COLUMNS = 100


def main(folder: Path) -> None:
    pixels, labels = [], {}
    for split, count in PER_CLASS.items():
        images = read_idx(folder, split)
        index = balanced(images.labels.numpy(), count)
        pixels.append(images.pixels[index].permute(0, 2, 3, 1).numpy())
        labels |= {
            f"{split}_index": index.astype(np.uint16),
            f"{split}_label": images.labels[index].numpy().astype(np.uint8),
        }
    save_sheet("fashion.webp", to_sheet(np.concatenate(pixels), COLUMNS))
    save_arrays("fashion.npz", **labels)


def balanced(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` indices of each class by a fixed seed, in their original order."""
    rng = np.random.default_rng(SEED)
    chosen = [rng.choice(np.flatnonzero(labels == c), count, replace=False) for c in range(10)]
    return np.sort(np.concatenate(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
