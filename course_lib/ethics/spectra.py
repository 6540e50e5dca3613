"""Which frequencies give a generator away?

A photograph's power falls with frequency in a way that generators miss in ways of their own: a transposed convolution
leaves a lattice of peaks, a likelihood model blurs, a sampler stopped early leaves noise. The two-dimensional Fourier
spectrum, averaged over many pictures and compared with that of real ones, shows it as a fingerprint; the mean over
circles of equal frequency is a dozen numbers a picture, on which a straight line is detector enough.

Durall et al. 2020, Watch your Up-Convolution; Frank et al. 2020, Leveraging Frequency Analysis for Deep Fake Image
Recognition; Corvi et al. 2023, Intriguing Properties of Synthetic Images.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from course_lib.data.images import expect, to_float

Pixels = UInt8[Tensor, "n c h w"]
FAINT = 5e-6  # power of rounding to 256 levels, (2 / 255)^2 / 12: below it a spectrum says nothing


def power_spectrum(pixels: Pixels) -> Float[Tensor, "n h w"]:
    """The power at each frequency, summed over channels; frequency 0 in the middle.

    Parameters
    ----------
    pixels : Tensor, uint8, (N, C, H, W)
        Stored pictures: in unrounded floats a generator would give itself away by having no rounding noise.

    Returns
    -------
    Tensor, (N, H, W)
        Of white noise, its variance at every frequency, on average.
    """
    expect("pixels", pixels, torch.uint8, "NCHW")
    power = torch.fft.fft2(to_float(pixels), norm="ortho").abs().square().sum(dim=1)
    return torch.fft.fftshift(power, dim=(1, 2))


def radial_profile(pixels: Pixels) -> Float[Tensor, "n r"]:
    """Logarithm (base 10) of the mean power on each circle: 0, 1, ... half the picture's side in periods."""
    power = power_spectrum(pixels)
    circle = circles(*power.shape[1:]).flatten().to(pixels.device)
    inside = circle <= min(power.shape[1:]) // 2
    sums = power.new_zeros(len(power), int(circle[inside].max()) + 1)
    sums.index_add_(1, circle[inside], power.flatten(1)[:, inside])
    return (sums / torch.bincount(circle[inside]) + FAINT).log10()


def circles(height: int, width: int) -> Int[Tensor, "h w"]:
    """On which circle each frequency of a shifted spectrum lies: its length in periods a side, rounded.

    Examples
    --------
    >>> circles(4, 4)[2]  # the row through frequency 0, which stands third
    tensor([2, 1, 0, 1])
    """
    rows, columns = torch.arange(height) - height // 2, torch.arange(width) - width // 2
    return torch.hypot(rows[:, None].float(), columns.float()).round().long()


def fingerprint(fake: Pixels, real: Pixels) -> Float[Tensor, "h w"]:
    """Mean log10 of the fakes' power minus that of real pictures': 0 where a generator has the right power."""
    if fake.shape[1:] != real.shape[1:]:
        raise ValueError(f"both must have one size, got {tuple(fake.shape[1:])} and {tuple(real.shape[1:])}")
    mean_log = [(power_spectrum(pixels) + FAINT).log10().mean(dim=0) for pixels in (fake, real)]
    return mean_log[0] - mean_log[1]


def coloured(prints: Float[Tensor, "n h w"], span: float = 1.0) -> Float[Tensor, "n 3 h w"]:
    """Fingerprints as pictures for `plotting.grid`: white for none, orange for too much power, blue for too little.

    Parameters
    ----------
    prints : Tensor, (N, H, W)
    span : float
        Powers of ten at which a colour is full.

    Examples
    --------
    >>> coloured(torch.zeros(1, 1, 1)).flatten()
    tensor([1., 1., 1.])
    """
    if span <= 0:
        raise ValueError(f"span must be positive, in powers of ten, got {span}")
    orange, blue = torch.tensor([0.84, 0.37, 0.0]), torch.tensor([0.0, 0.45, 0.7])
    strength = (prints.detach().float().cpu() / span).clamp(-1, 1)[:, None]
    ink = torch.where(strength > 0, orange[:, None, None], blue[:, None, None])
    return 1 - 2 * strength.abs() * (1 - ink)


class SpectralDetector(NamedTuple):
    """A line through radial profiles; `fit_spectral` draws it.

    Attributes
    ----------
    weight : Tensor, (R,)
    """

    weight: Tensor

    def scores(self, pixels: Pixels) -> Float[Tensor, " n"]:
        """Higher for pictures that look generated; where zero lies means nothing."""
        return radial_profile(pixels) @ self.weight.to(pixels.device)


def fit_spectral(real: Pixels, fake: Pixels, ridge: float = 1e-3) -> SpectralDetector:
    """Fisher's linear discriminant (1936) of radial profiles: the direction that parts the means best.

        weight = (within-class covariance)^-1 (mean of fakes - mean of real ones)

    Parameters
    ----------
    real, fake : Tensor, uint8, (N, C, H, W) and (M, C, H, W)
    ridge : float
        Added to the covariance's diagonal, as a share of its mean.
    """
    profiles = [radial_profile(pixels).double() for pixels in (real, fake)]
    if min(map(len, profiles)) < 2:
        raise ValueError(f"two pictures of each kind at least are needed, got {len(real)} and {len(fake)}")
    within = (profiles[0].T.cov() + profiles[1].T.cov()) / 2
    within += ridge * within.diagonal().mean() * torch.eye(len(within), dtype=within.dtype, device=within.device)
    return SpectralDetector(torch.linalg.solve(within, profiles[1].mean(0) - profiles[0].mean(0)).float())
