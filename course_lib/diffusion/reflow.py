"""Straight paths need few steps.

Flow matching pairs each image with whatever noise was drawn for it. Such paths cross, and where they
cross the field is their mean, so the sampler's paths bend. Rectified flow trains once more on the pairs
that the sampler itself makes (noise and the image that it led to): those paths do not cross, and straighten.

Liu et al. 2023, Flow Straight and Fast.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from course_lib.data.images import Batch
from course_lib.diffusion import schedules
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.schedules import add_noise
from course_lib.model import last


class Reflow(Flow):
    """A flow trained on couples: the batch's x holds an image and its noise, stacked as channels."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Flow matching with the noise that belongs to the image (Liu et al. 2023, eq. 1)."""
        x0, eps = batch.x.chunk(2, dim=1)
        t = torch.rand(len(x0), device=x0.device)
        v = self.net(add_noise(x0, eps, t, schedules.flow), t, self.hide(batch.y))
        return {"loss": mse_loss(v.float(), eps - x0)}


def couples(teacher: Flow, size: int, steps: int = 16, guidance: float = 1.0) -> Iterator[Batch]:
    """Endless batches of (image, noise) pairs that the teacher's sampler makes."""
    shape = (size, teacher.config["channels"], teacher.config["size"], teacher.config["size"])
    while True:
        eps = torch.randn(shape, device=teacher.device)
        y = torch.randint(teacher.config["classes"], (size,), device=teacher.device)
        x0 = last(teacher.sample(size, y, steps=steps, guidance=guidance, noise=eps))
        yield Batch(torch.cat([x0, eps], dim=1), y)


@torch.no_grad()
def curvature(states: list[Tensor]) -> Tensor:
    """How far paths are from straight: mean squared deviation of their velocity from its mean, over that mean's square.

    Parameters
    ----------
    states : list of Tensor, each (B, ...)
        A sampler's states at evenly spaced times, its start included.

    Returns
    -------
    Tensor, ()
        0 for straight paths (S of Liu et al. 2023, eq. 3, made free of scale).
    """
    if len(states) < 3:
        raise ValueError(f"need at least three states to see a bend, got {len(states)}")
    steps = torch.stack(states).diff(dim=0)
    mean = steps.mean(dim=0)
    return (steps - mean).square().mean() / mean.square().mean()
