"""More of what was asked for.

Classifier-free guidance (Ho & Salimans 2022) draws the line from the prediction without the
condition to the one with it, and walks further along it. It knows nothing of networks: it is a
function on functions, and works alike on denoised images, noise and velocities, since each of them is
linear in the others.
"""

from collections.abc import Callable

from torch import Tensor

Prediction = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> x_0, eps or velocity


def guided(conditional: Prediction, free: Prediction, scale: float) -> Prediction:
    """free + scale (conditional - free) (Ho & Salimans 2022, eq. 6; their w is scale - 1).

    Parameters
    ----------
    conditional, free : callable
        (x_t, t) -> prediction, with the condition and without it.
    scale : float
        0 ignores the condition, 1 is the conditional model itself, more exaggerates it.

    Examples
    --------
    >>> import torch
    >>> double, zero = lambda x, t: 2 * x, lambda x, t: 0 * x
    >>> guided(double, zero, 1.5)(torch.ones(1), torch.tensor(0.5))
    tensor([3.])
    """
    if scale == 1:
        return conditional  # exactly, and at half the cost
    return lambda x, t: free(x, t).lerp(conditional(x, t), scale)


def guided_within(conditional: Prediction, free: Prediction, scale: float, low: float, high: float) -> Prediction:
    """Guidance between the times low and high only (Kynkäänniemi et al. 2024).

    At much noise guidance drives all samples to one mode, at little noise it does nothing.
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"need 0 <= low <= high <= 1, got {low} and {high}")
    push = guided(conditional, free, scale)
    return lambda x, t: push(x, t) if low <= float(t) <= high else conditional(x, t)
