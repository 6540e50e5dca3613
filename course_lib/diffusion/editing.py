"""Images that agree with something known, from a model that was never trained for it.

A denoiser is a prior. To edit is to start its sampler elsewhere (SDEdit), or to correct each of its
guesses by what was measured (inpainting, super-resolution, deblurring: y = A x_0 + noise). The
correction is a function on denoisers, like guidance, so every sampler works with it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from course_lib.diffusion.parametrisation import Denoiser
from course_lib.diffusion.schedules import Schedule, add_noise, at

Sampler = Callable[[Denoiser, Tensor, Schedule, Tensor], Iterator[Tensor]]


class Measurement(NamedTuple):
    """y = A x_0 + noise n, with rows of A that are orthogonal and equally long.

    Attributes
    ----------
    forward : callable
        x (B, C, H, W) -> A x.
    pseudo_inverse : callable
        y -> A^+ y, the smallest image that measures y; A A^+ y = y.
    gain : float
        A A^T = gain times the identity.
    """

    forward: Callable[[Tensor], Tensor]
    pseudo_inverse: Callable[[Tensor], Tensor]
    gain: float


def masking(mask: Tensor) -> Measurement:
    """Only the pixels where mask, bool (H, W), is true are seen."""
    if mask.dtype != torch.bool or mask.ndim != 2:
        raise ValueError(f"mask must be bool (H, W), true where pixels are known, got {mask.dtype} {tuple(mask.shape)}")
    return Measurement(lambda x: x * mask, lambda y: y * mask, 1.0)


def downscaling(factor: int) -> Measurement:
    """Each factor x factor block is seen as its mean."""
    if factor < 1:
        raise ValueError(f"factor must be 1 or more, got {factor}")
    return Measurement(
        lambda x: avg_pool2d(x, factor),
        lambda y: interpolate(y, scale_factor=factor, mode="nearest"),
        1 / factor**2,
    )


def conditioned(denoise: Denoiser, y: Tensor, seen: Measurement, schedule: Schedule, noise: float = 0.0) -> Denoiser:
    """E[x_0 | x_t, y] if p(x_0 | x_t) is taken for a round Gaussian (Song et al. 2023, PiGDM; Wang et al. 2023, DDNM).

    The guess moves towards the measurement by as much as it is less certain than the measurement:

        x_0 + r^2 A^T (r^2 A A^T + noise^2)^-1 (y - A x_0),    r^2 = sigma^2 / (alpha^2 + sigma^2)

    Exact for data N(0, 1). Without noise it sets what is known and keeps what is not.

    Parameters
    ----------
    denoise : callable
        (x_t, t) -> x_0.
    y : Tensor
        The measurement, in the form that `seen.forward` gives.
    seen : Measurement
    noise : float
        Standard deviation of the measurement's noise.
    """
    if noise < 0:
        raise ValueError(f"noise is a standard deviation, 0 or more, got {noise}")

    def corrected(x: Tensor, t: Tensor) -> Tensor:
        x0 = denoise(x, t)
        alpha, sigma = at(schedule, t, x)
        variance = sigma**2 / (alpha**2 + sigma**2) * seen.gain
        trust = variance / (variance + noise**2)
        return x0 + trust * seen.pseudo_inverse(y - seen.forward(x0))

    return corrected


def sdedit(
    denoise: Denoiser, guide: Tensor, sampler: Sampler, schedule: Schedule, times: Tensor, eps: Tensor
) -> Iterator[Tensor]:
    """Noise a guide image up to times[0] and sample from there (Meng et al. 2022).

    The later the start, the more of the guide survives; the earlier, the more real the result looks.

    Parameters
    ----------
    guide : Tensor, (B, C, H, W)
        A stroke painting, a coarse collage, another image.
    times : Tensor, (steps + 1,)
        From the strength in (0, 1] down to 0.
    eps : Tensor
        Noise of the guide's shape.
    """
    return sampler(denoise, add_noise(guide, eps, times[0], schedule), schedule, times)


@torch.no_grad()
def repaint(
    denoise: Denoiser, known: Tensor, mask: Tensor, schedule: Schedule, times: Tensor, noises: Iterator[Tensor]
) -> Iterator[Tensor]:
    """Inpainting by replacement: after each step the known pixels are set anew, noised to the step's time.

    Lugmayr et al. 2022, eq. 8, with a DDIM step and without their resampling. Simpler than `conditioned`,
    and worse at the seams, since a step does not see that its surroundings are about to change.
    """
    seen, x = masking(mask), next(noises)
    for t, s in zip(times.to(x), times[1:].to(x)):
        alpha, sigma = schedule(t)
        x0 = denoise(x, t)
        alpha_s, sigma_s = schedule(s)
        free = alpha_s * x0 + sigma_s * (x - alpha * x0) / sigma
        x = seen.forward(add_noise(known, next(noises), s, schedule)) + free * ~mask
        yield x
