"""What can be done about a skew: in the data, and while drawing.

Reweighting trains as if label and attribute were independent (Kamiran & Calders 2012). It needs to know the attribute
of every training image, and a training.

Balanced guidance leaves the model as it is and asks, beside the label, for each value of the attribute in turn (after
Friedrich et al. 2023, Fair Diffusion; words composed as in Liu et al. 2022). To be able to ask, the model has learnt
one word at a time: each image comes once with its label's word and once with its attribute's. What it does not know
cannot be asked for, and whoever draws without it gets the skew.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.data.images import Batch, Images, to_float
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.guidance import Prediction

Labels = Int[Tensor, " n"]


def reweighted(labels: Labels, attribute: Labels) -> Float[Tensor, " n"]:
    """A weight for each image under which label and attribute are independent (Kamiran & Calders 2012, eq. 4).

    p(label) p(attribute) / p(label, attribute): every label keeps its share, and every attribute; only who goes with
    whom changes.

    Parameters
    ----------
    labels, attribute : Tensor, int64, (N,)

    Returns
    -------
    Tensor, float64, (N,)
        Weights whose mean is 1.

    Raises
    ------
    ValueError
        If a combination does not occur at all: no weight makes up for what is missing.

    Examples
    --------
    >>> reweighted(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]))[:4]
    tensor([0.6667, 0.6667, 0.6667, 2.0000], dtype=torch.float64)
    """
    if labels.shape != attribute.shape or labels.ndim != 1:
        raise ValueError(f"need one label and one attribute an image, got {labels.shape}, {attribute.shape}")
    joint = torch.zeros(int(labels.max()) + 1, int(attribute.max()) + 1, dtype=torch.float64)
    joint.index_put_((labels, attribute), torch.ones(len(labels), dtype=torch.float64), accumulate=True)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) / len(labels)
    if ((joint == 0) & (independent > 0)).any():
        raise ValueError("a combination of label and attribute never occurs: no weight makes up for what is missing")
    return (independent / joint.clamp_min(1))[labels, attribute]


class Weighted(NamedTuple):
    """Images that are drawn as often as their weights say; what training asks of a data set."""

    images: Images
    weights: Tensor

    def batches(self, size: int, seed: int = 0) -> Iterator[Batch]:
        """Endless batches, drawn with replacement."""
        rng = torch.Generator().manual_seed(seed)
        while True:
            i = torch.multinomial(self.weights, size, replacement=True, generator=rng)
            yield Batch(to_float(self.images.pixels[i]), self.images.labels[i])


def word_by_word(images: Images, attribute: Labels, values: Sequence[str]) -> Images:
    """Each image twice: once with the word for its label, once with the word for its attribute.

    Parameters
    ----------
    images : Images
    attribute : Tensor, int64, (N,)
    values : sequence of str
        The attribute's values; their words follow after the labels.
    """
    words = torch.cat([images.labels, len(images.classes) + attribute])
    return Images(images.pixels.repeat(2, 1, 1, 1), words, (*images.classes, *values))


def composed(free: Prediction, asked: Sequence[tuple[Prediction, float]]) -> Prediction:
    """Guidance by several words at once: free + sum of scale (conditional - free) (Liu et al. 2022, eq. 11).

    Parameters
    ----------
    free : callable
        (x_t, t) -> prediction without a word.
    asked : sequence of (callable, float)
        The prediction with each word, and how strongly to follow it.

    Examples
    --------
    >>> zero, one, ten = (lambda x, t, c=c: c + 0 * x for c in (0, 1, 10))
    >>> composed(zero, [(one, 2.0), (ten, 0.5)])(torch.zeros(1), torch.tensor(0.5))
    tensor([7.])
    """

    def predict(x: Tensor, t: Tensor) -> Tensor:
        start = free(x, t)
        return start + sum(scale * (word(x, t) - start) for word, scale in asked)

    return predict


def balanced(model: Flow, label: Labels, values: Sequence[int], scale: float, fairness: float = 1.0) -> Prediction:
    """The field that asks for a label and, among samples with the same label, for each value of an attribute in turn.

    Parameters
    ----------
    model : Flow
        Trained word by word.
    label : Tensor, int64, (N,)
        What every sample is asked for.
    values : sequence of int
        The words of the attribute's values.
    scale, fairness : float
        How strongly to follow the label, and the value.
    """
    value = torch.tensor(values, device=label.device)[in_turn(label) % len(values)]
    asked = [(model.predictor(label), scale), (model.predictor(value), fairness)]
    return composed(model.predictor(model.any_of(label)), asked)


def in_turn(label: Labels) -> Labels:
    """How many samples before each one have the same label: values that take turns by it go with no label.

    Examples
    --------
    >>> in_turn(torch.tensor([0, 1, 0, 1, 0]))
    tensor([0, 0, 1, 1, 2])
    """
    same = label[:, None] == label
    return same.tril(diagonal=-1).sum(dim=1)
