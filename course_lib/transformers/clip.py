"""One space for pictures and words.

Two encoders, one for images and one for captions, learn to put what belongs together in the same direction. In a
batch of B pairs each image must find its caption among B, and each caption its image:

    L = (CE(s / tau, diagonal) + CE(s^T / tau, diagonal)) / 2        s_ij = cosine(image_i, caption_j)

What it learns is whatever tells the captions of a batch apart, and no more: a model of words in a bag often does.

Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, figure 3.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from course_lib.data.captions import Vocabulary
from course_lib.data.images import Batch, expect
from course_lib.model import Model
from course_lib.transformers.text import TextEncoder, check_captions, understood

COLDEST = math.log(100)  # of log(1 / tau), as in the paper


class Clip(Model):
    """Images and captions as directions.

    Parameters
    ----------
    words : sequence of str
        The vocabulary.
    length : int
        Words of the longest caption.
    width : int
        Features of both, a multiple of 32.
    """

    def __init__(self, words: Sequence[str], length: int, width: int = 64) -> None:
        if width < 32 or width % 32 or length < 1:
            raise ValueError(f"width must be a multiple of 32 and length at least 1, got {width} and {length}")
        super().__init__(words=list(words), length=length, width=width)
        self.vocabulary, self.length = Vocabulary(tuple(words)), length
        self.text, self.last = TextEncoder(len(self.vocabulary), length, width, 2, width // 32), nn.Linear(width, width)
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 96)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GroupNorm(1, outputs), nn.SiLU()]
        self.image = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 16, width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def see(self, x: Float[Tensor, "n 3 32 32"]) -> Float[Tensor, "n w"]:
        """Images in [-1, 1] -> directions of length 1."""
        return normalize(self.image(x).float(), dim=1)

    def read(self, tokens: Int[Tensor, "n l"]) -> Float[Tensor, "n w"]:
        """Captions as tokens -> directions of length 1."""
        return normalize(self.last(self.text(tokens)[0][:, 0]).float(), dim=1)

    def tokens(self, captions: Sequence[str]) -> Int[Tensor, "n l"]:
        """Captions as tokens; ValueError for one that the model cannot understand."""
        return understood(captions, self.vocabulary, self.length).to(self.device)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        expect("images", batch.x, torch.float32, ("B", 3, 32, 32))
        check_captions(batch.y, (len(batch.x), self.length), len(self.vocabulary))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both cross-entropies; `found` is the share of images whose own caption is the nearest."""
        images, captions = self.see(batch.x), self.read(batch.y)
        with torch.autocast(batch.x.device.type, enabled=False):  # scores up to 100 need more digits than half has
            scores = self.log_scale.clamp(max=COLDEST).exp() * images @ captions.T
        own = torch.arange(len(scores), device=scores.device)
        loss = (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2
        return {"loss": loss, "found": (scores.argmax(1) == own).float().mean()}
