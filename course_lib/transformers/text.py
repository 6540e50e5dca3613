"""Words as vectors that have read each other.

Each word gets a vector; a small transformer lets "red" find out that it belongs to "star". A mark in front
stands for the caption as a whole: what it gathers describes all of it, and a caption without words, by which a
model learns to draw anything, is the mark alone.
"""

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.data.captions import PAD, Vocabulary, words
from course_lib.data.images import expect
from course_lib.transformers.blocks import Block
from course_lib.transformers.positions import line


class TextEncoder(nn.Module):
    """Captions as tokens -> a vector a word, and which of them are padding.

    Parameters
    ----------
    vocabulary : int
        How many numbers words have, padding and unknown included.
    length : int
        Words of the longest caption.
    width, depth, heads : int
        Of the transformer.
    """

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.length = length
        self.word, self.mark = nn.Embedding(vocabulary, width), nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.word.weight, std=0.5)
        self.register_buffer("places", line(length, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Int[Tensor, "b l"]) -> tuple[Float[Tensor, "b m w"], Bool[Tensor, "b m"]]:
        """
        Returns
        -------
        features : Tensor, (B, 1 + L, width)
            The first is that of the whole caption.
        hidden : Tensor, bool, (B, 1 + L)
            True where there is no word.
        """
        if tokens.shape[1] > self.length:
            raise ValueError(f"a caption may have {self.length} words, got tokens {tuple(tokens.shape)}")
        mark = self.mark.expand(len(tokens), 1, -1)
        x = torch.cat([mark, self.word(tokens) + self.places[: tokens.shape[1]]], dim=1)
        hidden = torch.cat([tokens.new_zeros(len(tokens), 1, dtype=torch.bool), tokens == PAD], dim=1)
        for block in self.blocks:
            x = block(x, ~hidden[:, None, None])
        return self.norm(x), hidden


def understood(captions: Sequence[str], vocabulary: Vocabulary, length: int) -> Int[Tensor, "n l"]:
    """Captions as tokens, for a model that knows these words.

    Parameters
    ----------
    captions : sequence of str
    vocabulary : Vocabulary
    length : int
        Words that a caption may have.

    Raises
    ------
    ValueError
        If the captions are one string, or one of them is empty or too long, or holds a word that the model has
        never seen: then the nearest ones that it knows are named.

    Examples
    --------
    >>> understood(["a red dog"], Vocabulary.of(["a red star", "a dot"]), 5)
    Traceback (most recent call last):
    ValueError: the model does not know the word 'dog' in 'a red dog'; did you mean 'dot'? It knows: a, dot, red, star
    """
    if isinstance(captions, str) or not len(captions):
        raise ValueError(f"captions must be a list of at least one string, got {captions!r}")
    for caption in captions:
        found = words(caption)
        if not found:
            raise ValueError(f"a caption must have words, got {caption!r}. {_known(vocabulary)}")
        if len(found) > length:
            raise ValueError(f"a caption may have {length} words, {caption!r} has {len(found)}")
        for word in found:
            if word not in vocabulary.words:
                near = get_close_matches(word, vocabulary.words, 3, cutoff=0.5)
                guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
                raise ValueError(
                    f"the model does not know the word {word!r} in {caption!r}{guess} {_known(vocabulary)}"
                )
    return vocabulary.encode(list(captions), length)


def check_captions(tokens: Tensor, shape: tuple[int, int], vocabulary: int) -> None:
    """Raise a ValueError unless these are captions as tokens of a vocabulary, padding and unknown included."""
    expect("captions", tokens, torch.int64, tuple(shape))
    if not ((0 <= tokens) & (tokens < vocabulary)).all():
        raise ValueError(f"words must be in 0..{vocabulary - 1}, got {tokens.min()}..{tokens.max()}")


def _known(vocabulary: Vocabulary, most: int = 40) -> str:
    some = ", ".join(vocabulary.words[:most])
    return f"It knows: {some}" + (f" and {len(vocabulary.words) - most} more" if len(vocabulary.words) > most else "")
