"""Rebuild the emoji atlas: `python -m course_lib.data.rebuild.emoji FOLDER`, with resvg-py installed.

FOLDER is a node_modules that holds @iconify-json/noto 1.2.9, @iconify-json/fluent-emoji-flat 1.2.6
and emojibase-data 17.0.0. A concept is a Unicode sequence that both artists drew, without skin
tones; where an artist gave two concepts one picture, the first is kept.
"""

import json
import sys
from pathlib import Path

import numpy as np

from course_lib.data.atlas import to_sheet
from course_lib.data.captions import words
from course_lib.data.emoji import SIZE, STYLES
from course_lib.data.rebuild.drawing import Icons, plain
from course_lib.data.rebuild.write import save_arrays, save_sheet

PACKAGES = ("noto", "fluent-emoji-flat")
COLUMNS = 30
TEST_SHARE = 0.1
SEED = 0
PEOPLE = {"man", "woman", "men", "women", "person", "people", "boy", "girl", "mr", "mrs", "mx", "facing", "right"}


def main(folder: Path) -> None:
    icons = [Icons(folder / "@iconify-json" / package) for package in PACKAGES]
    concepts = shared_concepts(folder / "emojibase-data" / "en" / "data.json", icons)
    drawn = [np.stack([set_.draw(set_.by_code[plain(c["hexcode"])], SIZE) for c in concepts]) for set_ in icons]
    kept = sorted(first_of_each(drawn[0]) & first_of_each(drawn[1]))
    for style, images in zip(STYLES, drawn):
        save_sheet(f"emoji_{style}.webp", to_sheet(images[kept], COLUMNS))
    captions = [concepts[i]["label"] for i in kept]
    group = np.array([concepts[i]["group"] for i in kept], np.uint8)
    save_arrays("emoji.npz", captions=np.array(captions), group=group, test=held_out(captions))


def shared_concepts(file: Path, icons: list[Icons]) -> list[dict]:
    described = json.loads(file.read_text(encoding="utf-8"))
    return [c for c in described if all(plain(c["hexcode"]) in set_.by_code for set_ in icons)]


def first_of_each(images: np.ndarray) -> set[int]:
    """The indices of the images that no earlier one equals."""
    seen = {}
    for i, image in enumerate(images):
        seen.setdefault(image.tobytes(), i)
    return set(seen.values())


def held_out(captions: list[str]) -> np.ndarray:
    """Which concepts are for testing: whole families, so that no farmer is in both splits."""
    families = sorted({family(caption) for caption in captions})
    rng = np.random.default_rng(SEED)
    chosen = set(rng.choice(families, int(len(families) * TEST_SHARE), replace=False).tolist())
    return np.array([family(caption) in chosen for caption in captions])


def family(caption: str) -> str:
    """What is left of a caption without who it is and where they look: all clocks are one family.

    Examples
    --------
    >>> family("woman farmer") == family("farmer")
    True
    """
    left = [word for word in words(caption) if word not in PEOPLE]
    if "o’clock" in left or "thirty" in left:
        return "clock"
    return " ".join(left) or "people"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
