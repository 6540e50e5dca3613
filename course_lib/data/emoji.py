"""Emoji: one concept in two artists' hands, with a caption; and one profession in many people.

Real pictures with real words at a size that trains in minutes. Two artists drew the same concepts,
so a style can be transferred and the transfer checked against what the other artist drew.

Google's Noto Emoji (Apache-2.0), Microsoft's Fluent Emoji, flat (MIT), captions by emojibase (MIT).
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.data.atlas import arrays, check_split, sheet, tiles, to_pixels
from course_lib.data.captions import Captioned, Vocabulary, words
from course_lib.data.pairs import Pairs

SIZE = 32
STYLES = ("noto", "fluent")
GROUPS = (
    "smileys & emotion",
    "people & body",
    "components",
    "animals & nature",
    "food & drink",
    "travel & places",
    "activities",
    "objects",
    "symbols",
    "flags",
)


def emoji(style: str = "noto", split: str = "train") -> Captioned:
    """Emoji in one style with their English captions.

    Parameters
    ----------
    style : "noto" or "fluent"
    split : "train", "test" or "all"
        Test concepts are held out with all their kin: no woman farmer here while a farmer is there.

    Returns
    -------
    Captioned, (N, 3, 32, 32)
        On white. The vocabulary is that of all captions, in either split.

    Raises
    ------
    ValueError
        If there is no such style or split.

    Examples
    --------
    >>> emoji(split="all").captions[0]
    'grinning face'
    """
    stored, index = arrays("emoji.npz"), _members(split)
    captions = stored["captions"].tolist()
    length = max(len(words(caption)) for caption in captions)
    chosen = tuple(captions[i] for i in index.tolist())
    return Captioned(_pictures(style)[index], chosen, Vocabulary.of(captions), length)


def both_styles(split: str = "train") -> Captioned:
    """Emoji of both artists, whose name stands in front of each caption: "noto red apple", "fluent red apple".

    Examples
    --------
    >>> both_styles("test").captions[0].split()[0]
    'noto'
    """
    sets = [emoji(style, split) for style in STYLES]
    captions = tuple(f"{style} {caption}" for style, images in zip(STYLES, sets) for caption in images.captions)
    known = Vocabulary(tuple(sorted({*STYLES, *sets[0].vocabulary.words})))
    return Captioned(torch.cat([images.pixels for images in sets]), captions, known, sets[0].length + 1)


def emoji_pairs(split: str = "train") -> Pairs:
    """Each concept in both styles: Noto is the source, Fluent the target; `place` is the concept.

    Examples
    --------
    >>> pairs = emoji_pairs("test")
    >>> emoji("noto", "all").captions[pairs.place[0]] == emoji("noto", "test").captions[0]
    True
    """
    index = _members(split)
    return Pairs(_pictures("noto")[index], _pictures("fluent")[index], index)


def groups(split: str = "train") -> Tensor:
    """To which of `GROUPS` each emoji of a split belongs: int64, (N,)."""
    return torch.from_numpy(arrays("emoji.npz")["group"].astype(np.int64))[_members(split)]


def _members(split: str) -> Tensor:
    check_split(split, ("train", "test", "all"))
    test = torch.from_numpy(arrays("emoji.npz")["test"])
    chosen = {"train": ~test, "test": test, "all": torch.ones_like(test)}[split]
    return chosen.nonzero()[:, 0]


def _pictures(style: str) -> Tensor:
    if style not in STYLES:
        raise ValueError(f"style must be {' or '.join(map(repr, STYLES))}, got {style!r}")
    return to_pixels(tiles(sheet(f"emoji_{style}.webp"), SIZE))
