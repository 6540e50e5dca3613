"""How far is an image from the one it should have been?

PSNR counts the error of each pixel, SSIM compares small windows by brightness, contrast and
structure. Neither sees what people see: both prefer a blurred image to a sharp one that is a pixel
off. They belong where the right answer is known: reconstruction, super-resolution, prediction.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from course_lib.metrics.doors import checked_images

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, section III.C
SPAN = 2.0  # the width of [-1, 1]


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, in decibel.

    Parameters
    ----------
    x, y : Tensor, float, (N, C, H, W) in [-1, 1]

    Returns
    -------
    Tensor, float32, (N,)
        Infinite for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, or the values are not those of images in [-1, 1].

    Examples
    --------
    >>> psnr(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.2))
    tensor([20.])
    """
    x, y = _pair(x, y)
    return 10 * torch.log10(SPAN**2 / (x - y).square().mean((1, 2, 3)))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004, eq. 13), the mean over windows and channels.

    Parameters
    ----------
    x, y : Tensor, float, (N, C, H, W) in [-1, 1]
        At least 11 pixels high and wide, the size of the window.

    Returns
    -------
    Tensor, float32, (N,)
        1 for equal images, about 0 for unrelated ones, down to -1.

    Raises
    ------
    ValueError
        As `psnr`, and if the images are smaller than the window.
    """
    x, y = _pair(x, y)
    if min(x.shape[-2:]) < WINDOW:
        raise ValueError(f"images must be at least {WINDOW} pixels high and wide, got {tuple(x.shape[-2:])}")
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    cov = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * SPAN) ** 2, (0.03 * SPAN) ** 2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return (brightness * structure).mean((1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    # Rows, then columns, each channel alone. Mirrored at the border: an image of 28 pixels is mostly border.
    offset = torch.arange(WINDOW, device=x.device) - WINDOW // 2
    weights = torch.softmax(-(offset**2) / (2 * SIGMA**2), 0)
    flat = pad(x, 4 * [WINDOW // 2], mode="reflect").flatten(0, 1).unsqueeze(1)
    flat = conv2d(conv2d(flat, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return flat.view_as(x)


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.shape != y.shape or x.ndim != 4:
        raise ValueError(f"x and y must both be (N, C, H, W), got {tuple(x.shape)} and {tuple(y.shape)}")
    return checked_images(x, "x").float(), checked_images(y, "y").float()
