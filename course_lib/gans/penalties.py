"""How steep may a discriminator be?

A discriminator that is free can be made infinitely steep between real and generated images, and then
its gradient tells the generator nothing, or throws it across. Each penalty is a mean squared slope,

    || d f(x) / d x ||^2        summed over pixels, averaged over images

taken on real images (R1), on generated ones (R2), on both, or, for a critic whose slope should be one,
its distance from one on the lines in between.

A penalty is differentiated again, for the discriminator's weights. It is computed in float32, whatever
the precision around it: a square of small numbers does not survive half precision.

Mescheder et al. 2018, Which Training Methods for GANs do actually Converge?; Gulrajani et al. 2017.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Discriminator = Callable[[Tensor, Tensor], Tensor]  # images (B, ...), labels (B,) -> scores (B,)
Penalty = Callable[[Discriminator, Tensor, Tensor, Tensor], Tensor]  # and real, generated images, labels


def none(discriminator: Discriminator, real: Tensor, fake: Tensor, y: Tensor) -> Float[Tensor, ""]:
    """No penalty."""
    return real.new_zeros(())


def real_side(discriminator: Discriminator, real: Tensor, fake: Tensor, y: Tensor) -> Float[Tensor, ""]:
    """R1: the mean squared slope at real images (Mescheder et al. 2018, eq. 9, without gamma / 2)."""
    return slopes(discriminator, real, y).square().mean()


def both_sides(discriminator: Discriminator, real: Tensor, fake: Tensor, y: Tensor) -> Float[Tensor, ""]:
    """R1 + R2: the mean squared slopes at real and at generated images (Huang et al. 2024, section 2.2)."""
    both = slopes(discriminator, torch.cat([real, fake]), torch.cat([y, y]))
    return 2 * both.square().mean()  # two means over B, written as one over 2 B


def unit_slope(discriminator: Discriminator, real: Tensor, fake: Tensor, y: Tensor) -> Float[Tensor, ""]:
    """The mean squared distance of the slope from 1 between pairs (Gulrajani et al. 2017, eq. 3, without lambda)."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    return (slopes(discriminator, torch.lerp(real, fake, share), y) - 1).square().mean()


def slopes(discriminator: Discriminator, x: Tensor, y: Tensor) -> Float[Tensor, " b"]:
    """The norm of the score's gradient at each image, differentiable again.

    Examples
    --------
    >>> halve = lambda x, y: x.sum(dim=1) / 2
    >>> slopes(halve, torch.zeros(3, 4), torch.zeros(3))  # sqrt(4 * 0.5^2)
    tensor([1., 1., 1.])
    """
    x = x.detach().float().requires_grad_()
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        # Each score depends on its own image only, so the gradient of the sum holds each one's gradient.
        (gradient,) = torch.autograd.grad(discriminator(x, y).sum(), x, create_graph=True)
        return torch.linalg.vector_norm(gradient.flatten(1), dim=1)
