"""The best possible denoiser, and why nobody wants it.

On a finite training set the mean image given x_t can be written down: an average of all training
images, each weighted by how well it explains x_t. No network, no training. Follow it to t = 0 and out
comes a training image, always: the exact minimiser of the loss has learned the data by heart. What
networks draw that is new they owe to their failure to fit this function (De Bortoli 2022; Kamb & Ganguli 2025).
"""

import torch
from torch import Tensor

from course_lib.diffusion.parametrisation import Denoiser
from course_lib.diffusion.schedules import Schedule


def ideal_denoiser(images: Tensor, schedule: Schedule) -> Denoiser:
    """E[x_0 | x_t] for data that are exactly these images, each equally likely.

    Parameters
    ----------
    images : Tensor, float, (N, ...)
    schedule : callable
        t -> (alpha, sigma).

    Returns
    -------
    callable
        (x_t (B, ...), t ()) -> x_0 (B, ...), a convex combination of the images.
    """

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        return (weights(x, images, *schedule(t)) @ images.flatten(1)).view_as(x)

    return denoise


def weights(x: Tensor, images: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """p(image i | x_t): a softmax over -|x_t - alpha image_i|^2 / (2 sigma^2). (B, N), rows sum to 1."""
    if x.shape[1:] != images.shape[1:]:
        raise ValueError(f"x must hold images of shape {tuple(images.shape[1:])}, got {tuple(x.shape[1:])}")
    squared = torch.cdist(x.flatten(1), alpha * images.flatten(1), compute_mode="donot_use_mm_for_euclid_dist") ** 2
    squared = squared - squared.amin(dim=1, keepdim=True)  # the same weights; at sigma = 0 the nearest image has all
    return torch.softmax(-squared / (2 * sigma**2).clamp(min=torch.finfo(x.dtype).tiny), dim=1)
