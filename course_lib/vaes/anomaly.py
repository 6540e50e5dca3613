"""Which image does not belong?

A model of normal images should be surprised by others. Three things can be asked of a VAE: how badly it
recovers the image, how many bits it needs for it, and whether that number is usual. Each function gives one
score an image, higher for what looks less normal, as `course_lib.metrics.auroc` takes it.

Bits alone mislead. A plain image is cheap under almost any model: trained on clothes, a model finds an empty
image likelier than clothes, though it never draws one (the likelihood paradox). So ask how many bits the
image costs beyond what a compressor needs that knows nothing of clothes.

Nalisnick et al. 2019, Do Deep Generative Models Know What They Don't Know?; Serra et al. 2020, Input Complexity
and Out-of-distribution Detection; Nalisnick et al. 2019, Detecting Out-of-Distribution Inputs ... Typicality.
"""

from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

from course_lib.data.images import to_uint8
from course_lib.metrics.doors import checked_images
from course_lib.vaes.bounds import bits_per_dimension, iwae

FRAME = 57  # bytes of every PNG that say nothing of its pixels: signature 8, header 25, frame of the data 12, end 12


def reconstruction_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean squared error of each image.

    High where the model cannot draw what it sees, but also where an image has much fine detail, normal or not.

    Parameters
    ----------
    x, reconstruction : Tensor, float, (N, C, H, W) in [-1, 1]

    Returns
    -------
    Tensor, (N,)
    """
    if x.shape != reconstruction.shape:
        raise ValueError(f"each image needs its reconstruction, got {tuple(x.shape)} and {tuple(reconstruction.shape)}")
    return (checked_images(x, "x") - checked_images(reconstruction, "reconstruction")).square().mean((1, 2, 3))


def surprise(x: Tensor, log_weights: Tensor) -> Tensor:
    """How many bits a dimension the model needs for each image: -log p(x), by the tightest bound at hand.

    Parameters
    ----------
    x : Tensor, (N, C, H, W)
    log_weights : Tensor, (k, N)
        Of the same images, in nats, as `Vae.log_weights(x, k)` gives them; k = 1 is the ELBO.

    Returns
    -------
    Tensor, (N,)
    """
    if len(x) != log_weights.shape[-1]:
        raise ValueError(f"log-weights must be (k, {len(x)}), k draws for each image, got {tuple(log_weights.shape)}")
    return bits_per_dimension(iwae(log_weights), x[0].numel())


def complexity(x: Tensor) -> Tensor:
    """How many bits a dimension a general compressor needs for each image, PNG with its frame not counted.

    Parameters
    ----------
    x : Tensor, float, (N, C, H, W) in [-1, 1]
        Grey (C = 1) or colour (C = 3). Read as the bytes that would be stored.

    Returns
    -------
    Tensor, float32, (N,)
        Near 0 for one flat colour, a little above 8 for noise, which nothing compresses.

    Raises
    ------
    ValueError
        If x is not of images, or has other channels.
    """
    if checked_images(x, "x").shape[1] not in (1, 3):
        raise ValueError(f"images must be grey (1 channel) or colour (3), got {x.shape[1]} channels")
    pixels = to_uint8(x).permute(0, 2, 3, 1).cpu()
    sizes = [_png_bytes(image.squeeze(-1)) for image in pixels]
    return torch.tensor(sizes, device=x.device) * 8.0 / x[0].numel()


def beyond_complexity(bits: Tensor, x: Tensor) -> Tensor:
    """Bits that the model needs more than the compressor (Serra et al. 2020).

    The log-ratio of two models' probabilities: one of these images, and one of images whatever.

    Parameters
    ----------
    bits : Tensor, (N,)
        A dimension, as `surprise` gives them.
    x : Tensor, float, (N, C, H, W) in [-1, 1]

    Returns
    -------
    Tensor, (N,)
        Below 0 for what the model knows better than the compressor does.
    """
    if bits.shape != x.shape[:1]:
        raise ValueError(f"need one number of bits an image, ({len(x)},), got {tuple(bits.shape)}")
    return bits - complexity(x)


def atypicality(bits: Tensor, usual: Tensor) -> Tensor:
    """How far each number of bits is from the mean over normal images, in either direction.

    What is too likely does not belong either: the likeliest point of N(0, 1) in many dimensions is its centre,
    where no draw ever lies (Nalisnick et al. 2019, Typicality, with sets of one image).

    Parameters
    ----------
    bits : Tensor, (N,)
    usual : Tensor, (M,)
        Of normal images that the model was not trained on.

    Returns
    -------
    Tensor, (N,)
    """
    if usual.ndim != 1 or not len(usual):
        raise ValueError(f"usual must be the bits of at least one normal image, (M,), got {tuple(usual.shape)}")
    return (bits - usual.mean()).abs()


def _png_bytes(pixels: Tensor) -> int:
    file = BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "PNG", optimize=True)
    return file.tell() - FRAME
