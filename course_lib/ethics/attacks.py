"""What happens to a picture between who made it and who judges it.

It is compressed, blurred, shrunk, cropped, printed and photographed; or somebody sends it through another
generator in order to wash off a mark. Each attack takes uint8 pixels and returns uint8 pixels of the same shape,
since that is what travels: a mark or a fingerprint that lives below half a grey level does not survive being
saved.
"""

from collections.abc import Callable
from io import BytesIO

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import gaussian_blur

from course_lib.data.images import expect, to_float, to_uint8
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.schedules import add_noise, flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.model import last

Pixels = UInt8[Tensor, "n c h w"]


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Saved as JPEG and opened again; quality 1 to 95, as Pillow counts it."""
    if not 1 <= quality <= 95:
        raise ValueError(f"quality must be in 1..95, got {quality}")
    return torch.stack([_saved(image, quality) for image in _checked(pixels)]).to(pixels.device)


def _saved(image: Tensor, quality: int) -> Tensor:
    file = BytesIO()
    Image.fromarray(image.cpu().permute(1, 2, 0).squeeze(2).numpy()).save(file, "JPEG", quality=quality)
    with Image.open(file) as opened:
        values = torch.frombuffer(bytearray(opened.tobytes()), dtype=torch.uint8)
    return values.reshape(*image.shape[1:], image.shape[0]).permute(2, 0, 1)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of standard deviation `sigma` pixels."""
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, in pixels, got {sigma}")
    return to_uint8(gaussian_blur(to_float(_checked(pixels)), 2 * round(3 * sigma) + 1, sigma))


def resized(pixels: Pixels, share: float) -> Pixels:
    """Shrunk to a share of the width and height, with antialiasing, and enlarged again."""
    small = [max(1, round(side * _share(share))) for side in pixels.shape[-2:]]
    x = interpolate(to_float(_checked(pixels)), size=small, mode="bilinear", antialias=True)
    return to_uint8(interpolate(x, size=pixels.shape[-2:], mode="bilinear", antialias=True))


def cropped(pixels: Pixels, share: float) -> Pixels:
    """The middle, a share of the width and height, enlarged to the old size."""
    height, width = pixels.shape[-2:]
    h, w = round(height * _share(share)), round(width * share)
    top, left = (height - h) // 2, (width - w) // 2
    middle = to_float(_checked(pixels))[..., top : top + h, left : left + w]
    return to_uint8(interpolate(middle, size=(height, width), mode="bilinear", antialias=True))


def noisy(pixels: Pixels, std: float, seed: int = 0) -> Pixels:
    """With Gaussian noise of `std`, where black and white are 2 apart."""
    if std < 0:
        raise ValueError(f"std must be 0 or more, got {std}")
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed)).to(pixels.device)
    return to_uint8(to_float(_checked(pixels)) + std * noise)


def mirrored(pixels: Pixels) -> Pixels:
    """Left and right exchanged."""
    return _checked(pixels).flip(3)


@torch.no_grad()
def regenerated(pixels: Pixels, rebuild: Callable[[Tensor], Tensor]) -> Pixels:
    """Encoded and decoded by another model: what it does not know, a mark, it does not draw again.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, C, H, W)
    rebuild : callable
        Float images -> float images: the `reconstruct` of a VAE, an autoencoder or a tokenizer.
    """
    return torch.cat([to_uint8(rebuild(to_float(part))) for part in _checked(pixels).split(500)])


def renoised(pixels: Pixels, model: Flow, strength: float, steps: int = 8, seed: int = 0) -> Pixels:
    """Drowned in noise up to the time `strength` and drawn again by a flow (Zhao et al. 2024).

    Saberi et al. 2024 prove that enough of it removes every mark that moves an image by little.
    """
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed)).to(pixels.device)
    anything = torch.full((len(pixels),), model.config["classes"], device=pixels.device)
    x_t = add_noise(to_float(_checked(pixels)), noise, torch.tensor(_share(strength)).to(noise), flow)
    return to_uint8(last(adams_bashforth(model.velocity(anything), x_t, times(steps, start=strength))))


def _checked(pixels: Tensor) -> Tensor:
    expect("pixels", pixels, torch.uint8, "NCHW")
    return pixels


def _share(share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"a share must be in (0, 1], got {share}")
    return share
