"""Fashion-MNIST as tokens: the data set on which later modules learn their priors.

What `fashion_tokenizer` makes of all 70,000 images, one byte a token, so that a module on transformers
starts from the same 49 numbers an image on every machine, without the images and without encoding them.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.checkpoints import WEIGHTS
from course_lib.data.atlas import check_split
from course_lib.data.images import expect

FILE = "fashion_tokens.npz"


@dataclass(frozen=True, eq=False)
class Tokens:
    """Images as maps of code numbers.

    Parameters
    ----------
    tokens : Tensor, int64, (N, H, W)
        Each in 0..codes-1; `Tokenizer.decode` draws them.
    labels : Tensor, int64, (N,)
    codes : int
    """

    tokens: Tensor
    labels: Tensor
    codes: int

    def __post_init__(self) -> None:
        expect("tokens", self.tokens, torch.int64, "NHW")
        expect("labels", self.labels, torch.int64, (len(self.tokens),))

    def __len__(self) -> int:
        return len(self.labels)


@functools.cache
def fashion_tokens(split: str = "train") -> Tokens:
    """The 60,000 training or 10,000 test images as 7 x 7 tokens each, in the order of the original files.

    `course_lib.data.fashion.bundled_indices(split)` says which of them are the bundled images.

    Raises
    ------
    ValueError
        If there is no such split.

    Examples
    --------
    >>> fashion_tokens("test").tokens.shape
    torch.Size([10000, 7, 7])
    """
    check_split(split)
    with np.load(str(WEIGHTS / FILE)) as file:
        tokens, labels = (torch.from_numpy(file[f"{split}_{name}"].astype(np.int64)) for name in ("tokens", "labels"))
        return Tokens(tokens, labels, int(file["codes"]))
