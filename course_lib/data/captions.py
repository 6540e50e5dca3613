"""Images with captions, and the vocabulary that turns words into numbers.

Captions here are short and their words few, so a word is a token: no subword pieces, no tokenizer
from elsewhere, and an attention map has one row for each word that a reader sees.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from course_lib.data.images import Batch, expect, shuffled, to_float

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(caption: str) -> list[str]:
    """The words of a caption, in small letters.

    Examples
    --------
    >>> words("Woman’s hat: medium-dark")
    ['woman’s', 'hat', 'medium', 'dark']
    """
    return _WORD.findall(caption.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers; 0 is padding and 1 an unknown word.

    Parameters
    ----------
    words : tuple of str
        Number k + 2 is the k-th word.

    Examples
    --------
    >>> vocabulary = Vocabulary.of(["a red circle", "a blue star"])
    >>> vocabulary.encode(["a red star", "a cat"], length=4).tolist()
    [[2, 5, 6, 0], [2, 1, 0, 0]]
    >>> vocabulary.decode(torch.tensor([2, 5, 6, 0]))
    'a red star'
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.words)) != len(self.words):
            raise ValueError("the words of a vocabulary must differ: a word with two numbers cannot be encoded")

    @classmethod
    def of(cls, captions: list[str] | tuple[str, ...]) -> Self:
        """All words of some captions, in alphabetical order."""
        return cls(tuple(sorted({word for caption in captions for word in words(caption)})))

    def __len__(self) -> int:
        """How many numbers there are, padding and unknown included: the rows of an embedding."""
        return len(self.words) + 2

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=2)}

    def encode(self, captions: list[str] | tuple[str, ...], length: int) -> Tensor:
        """Captions to tokens, int64 (N, length), padded with 0.

        Raises
        ------
        ValueError
            If a caption has more than `length` words: a caption cut short describes another image.
        """
        if isinstance(captions, str):
            raise ValueError(f"captions must be a list of strings, got the one string {captions!r}")
        rows = [[self._number.get(word, UNKNOWN) for word in words(caption)] for caption in captions]
        longest = max(map(len, rows), default=0)
        if longest > length:
            raise ValueError(f"length must be at least {longest}, the words of the longest caption, got {length}")
        tokens = torch.full((len(rows), length), PAD)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
        return tokens

    def decode(self, tokens: Tensor) -> str:
        """One caption's tokens, int64 (L,), to its words; padding is dropped."""
        if tokens.ndim != 1 or not ((0 <= tokens) & (tokens < len(self))).all():
            raise ValueError(f"tokens must be one caption, int64 (L,) in 0..{len(self) - 1}, got {tuple(tokens.shape)}")
        return " ".join("?" if k == UNKNOWN else self.words[k - 2] for k in tokens.tolist() if k != PAD)


@dataclass(frozen=True, eq=False)
class Captioned:
    """Images with one caption each, whole, on one device.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, C, H, W)
    captions : tuple of str
    vocabulary : Vocabulary, optional
        Of these captions if not given; a test set is given that of its training set.
    length : int, optional
        Tokens a caption; that of the longest if not given.

    Raises
    ------
    ValueError
        If the shapes, dtypes or lengths do not fit together.
    """

    pixels: Tensor
    captions: tuple[str, ...]
    vocabulary: Vocabulary | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        expect("pixels", self.pixels, torch.uint8, "NCHW")
        if len(self.captions) != len(self.pixels):
            raise ValueError(f"there must be {len(self.pixels)} captions, one an image, got {len(self.captions)}")
        if self.vocabulary is None:
            object.__setattr__(self, "vocabulary", Vocabulary.of(self.captions))
        if self.length is None:
            object.__setattr__(self, "length", max((len(words(caption)) for caption in self.captions), default=0))

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index) -> Self:
        """The images at a slice, an index tensor or a boolean mask, with the same vocabulary."""
        kept = torch.arange(len(self))[index if isinstance(index, slice) else torch.as_tensor(index).cpu()]
        return replace(self, pixels=self.pixels[index], captions=tuple(self.captions[i] for i in kept.tolist()))

    @property
    def x(self) -> Tensor:
        """All images as floats in [-1, 1], (N, C, H, W)."""
        return to_float(self.pixels)

    @cached_property
    def tokens(self) -> Tensor:
        """All captions as tokens, int64 (N, length), on the device of the pixels."""
        return self.vocabulary.encode(self.captions, self.length).to(self.pixels.device)

    def to(self, device: torch.device | str) -> Self:
        return replace(self, pixels=self.pixels.to(device))

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches of images x and caption tokens y, int64 (B, length); see `Images.batches`."""
        return (Batch(to_float(self.pixels[i]), self.tokens[i]) for i in shuffled(self.pixels, size, seed))
