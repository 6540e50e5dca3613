"""Where a token is, told to a network that cannot know.

Attention treats its input as a set. So the place is written into the content: an image's rows and columns as
waves of several lengths, one half of the features for each. The product of two such codes depends on their
distance only: w(p) . w(q) = sum_f cos(f (p - q)).

Vaswani et al. 2017, section 3.5 (one dimension); Dosovitskiy et al. 2021, appendix D.4 (two).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.nn.embeddings import sinusoidal


def line(length: int, width: int) -> Float[Tensor, "l w"]:
    """Codes of the places 0..length-1 on a line.

    Parameters
    ----------
    length : int
    width : int
        Even.

    Returns
    -------
    Tensor, (length, width) in [-1, 1]
    """
    return sinusoidal(torch.arange(length, dtype=torch.float32), width, scale=1.0)


def grid(height: int, width: int, features: int) -> Float[Tensor, "n f"]:
    """Codes of the places of a grid, row by row: half of the features tell the row, half the column.

    Parameters
    ----------
    height, width : int
    features : int
        A multiple of 4.

    Returns
    -------
    Tensor, (height * width, features) in [-1, 1]

    Examples
    --------
    >>> grid(2, 3, 8).shape
    torch.Size([6, 8])
    """
    if features % 4:
        raise ValueError(f"features must be a multiple of 4, cosines and sines of rows and columns, got {features}")
    rows = line(height, features // 2).repeat_interleave(width, 0)
    columns = line(width, features // 2).repeat(height, 1)
    return torch.cat([rows, columns], dim=1)
