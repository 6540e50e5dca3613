"""Write an atlas into the package, and say what its card must state."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

ATLASES = Path(__file__).parent.parent / "atlases"


def save_sheet(file: str, picture: np.ndarray) -> None:
    """Store a picture, uint8 (H, W, 1 or 3), as lossless WebP."""
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(picture).save(ATLASES / file, lossless=True, quality=100, method=6)
    report(file)


def save_arrays(file: str, **arrays: np.ndarray) -> None:
    np.savez_compressed(ATLASES / file, **arrays)
    report(file)


def save_bytes(file: str, content: bytes) -> None:
    (ATLASES / file).write_bytes(content)
    report(file)


def report(file: str) -> None:
    """Print the row of the card's table of files."""
    content = (ATLASES / file).read_bytes()
    print(f"| {file} | {len(content)} | {hashlib.sha256(content).hexdigest()} |")
