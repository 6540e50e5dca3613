"""All that the course asks of a model family.

A model says what is minimised (`loss`), how images are drawn (`sample`) and who minimises what
(`objectives`). A GAN has two objectives, every other family one. Nothing else is shared: what a
family needs beyond this stands in its own folder.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.data.images import Batch


class Objective(NamedTuple):
    """One player: a name, what it minimises, and the parameters that it may move.

    Attributes
    ----------
    name : str
    loss : callable
        Batch -> dict of scalars. "loss" is minimised, the rest is only reported.
    params : list of Parameter
    """

    name: str
    loss: Callable[[Batch], dict[str, Tensor]]
    params: list[nn.Parameter]


class Model(nn.Module):
    """A generative model of images.

    A subclass passes its constructor's arguments on as `super().__init__(width=width, ...)`; they
    become `config`, plain data from which `type(model)(**model.config)` builds the model anew.
    """

    def __init__(self, **config) -> None:
        super().__init__()
        self.config = config

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars for one batch; "loss" is minimised, the rest is only reported."""
        raise NotImplementedError

    def sample(self, n: int) -> Iterator[Tensor]:
        """Draw `n` images: yields the states (n, C, H, W) on the way; the last, in about [-1, 1], is the result."""
        raise NotImplementedError

    def check(self, batch: Batch) -> None:
        """Raise a ValueError that says why a batch does not fit; training asks this of its first batch."""
        x, y = batch
        if not x.is_floating_point() or not x.isfinite().all():
            raise ValueError(
                f"images must be finite floats in [-1, 1], got {x.dtype}: stored pixels go through to_float"
            )
        if len(x) != len(y) or x.device != y.device:
            raise ValueError(f"{len(x)} images on {x.device} do not go with {len(y)} conditions on {y.device}")

    def objectives(self) -> list[Objective]:
        return [Objective("model", self.loss, [p for p in self.parameters() if p.requires_grad])]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def check_labels(y: Tensor, n: int, classes: int, each: str = "an image") -> None:
    """Raise a ValueError unless y holds n labels 0..classes-1, one for `each`."""
    if y.shape != (n,) or y.dtype != torch.int64:
        raise ValueError(f"y must be ({n},) int64 labels, one {each}, got {y.dtype} {tuple(y.shape)}")
    if not ((0 <= y) & (y < classes)).all():
        raise ValueError(f"labels must be in 0..{classes - 1}, got {y.min()}..{y.max()}")


def last(states: Iterator[Tensor]) -> Tensor:
    """The last state of a sampler, which is its result.

    Examples
    --------
    >>> last(iter([torch.zeros(1), torch.ones(1)]))
    tensor([1.])
    """
    state = None
    for state in states:
        pass
    if state is None:
        raise ValueError("the sampler yielded no state: it needs at least one step")
    return state
