"""A mark that nobody sees, in the noise from which a picture is drawn.

A deterministic sampler is a map from noise to pictures, and it can be run backwards. So whoever draws the noise can
write a secret key into its Fourier plane, where it is spread over the whole picture; whoever has the same model and
the key can invert a picture to its noise and look whether the key is there. The key consists of Gaussian numbers,
as noise does, so over all keys the pictures are exactly those of the model.

    noise' = noise + sum_m (key_m - <noise, wave_m>) wave_m        score = <key, found> / |found|

The score has a null distribution that holds for *any* picture: if the key was drawn independently of the picture,
whatever `found` is, a Gaussian key has a standard normal component in its direction. Wen et al. test the distance
between key and finding instead, whose null distribution takes inverted photographs for Gaussian noise; they are not.
Exact means: over keys. Pictures of one kind have much in common, so a single unlucky key may accuse many of them at
once; to take off what unmarked ones say on average is allowed, since it does not know the key, and helps.

Wen et al. 2023, Tree-Ring Watermarks: `waves` is their variant "rand" and `rings` their "rings" without its excess
energy. They work on latents of 64 x 64; here all happens in pixels.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.diffusion.solvers import Velocity, midpoint
from course_lib.model import last

Basis = Float[Tensor, "m h w"]


def waves(size: int, radius: float) -> Basis:
    """All plane waves of up to `radius` periods a side: an orthonormal basis of the low frequencies, without the mean.

    Parameters
    ----------
    size : int
        Of the images, (size, size).
    radius : float
        In [1, size / 2).

    Examples
    --------
    >>> waves(28, 1).shape  # cosine and sine, across and down
    torch.Size([4, 28, 28])
    """
    phases = [_phase(size, u, v) for u, v in _half_plane(size, radius)]
    return torch.stack([turn(phase) for phase in phases for turn in (torch.cos, torch.sin)]) * math.sqrt(2) / size


def rings(size: int, radius: float) -> Basis:
    """Waves of equal length in all directions, added up, crests on the picture's centre: one bullseye a length.

    Mirrored or turned by a right angle, noise keeps its rings. There are a seventh as many of them as waves.
    """
    circles: dict[int, list[Tensor]] = {}
    for u, v in _half_plane(size, radius):
        circles.setdefault(u * u + v * v, []).append(torch.cos(_phase(size, u, v)))
    sums = torch.stack([torch.stack(circle).sum(0) for circle in circles.values()])
    return sums / sums.flatten(1).norm(dim=1)[:, None, None]


def _half_plane(size: int, radius: float) -> list[tuple[int, int]]:
    # one of each pair of opposite frequencies, which are the same wave
    if not 1 <= radius < size / 2:
        raise ValueError(f"radius must be in [1, {size / 2:g}), the finest wave that {size} pixels hold, got {radius}")
    reach = range(-math.floor(radius), math.floor(radius) + 1)
    return [(u, v) for u in reach for v in reach if (u > 0 or (u == 0 and v > 0)) and math.hypot(u, v) <= radius]


def _phase(size: int, u: int, v: int) -> Float[Tensor, "h w"]:
    from_centre = torch.arange(size) - (size - 1) / 2
    return 2 * math.pi / size * (u * from_centre[:, None] + v * from_centre)


def draw_key(basis: Basis, seed: int) -> Float[Tensor, " m"]:
    """A secret: one standard normal number a wave. Whoever knows the seed can read, forge and strip the mark."""
    return torch.randn(len(basis), generator=torch.Generator().manual_seed(seed))


def embed(noise: Float[Tensor, "n c h w"], basis: Basis, key: Float[Tensor, "*n m"]) -> Float[Tensor, "n c h w"]:
    """Noise whose first channel says `key` along the basis and is unchanged across it.

    Parameters
    ----------
    noise : Tensor, (N, C, H, W)
        Standard normal.
    basis : Tensor, (M, H, W)
    key : Tensor, (M,) or (N, M)
        For all images, or one an image.

    Raises
    ------
    ValueError
        If noise, basis and key do not fit together.
    """
    if key.shape not in (basis.shape[:1], (len(noise), len(basis))):
        raise ValueError(f"a key has one number a wave, ({len(basis)},), got {tuple(key.shape)}")
    basis = basis.to(noise)
    change = torch.einsum("nm,mhw->nhw", key.to(noise) - coefficients(noise, basis), basis)
    return torch.cat([noise[:, :1] + change[:, None], noise[:, 1:]], dim=1)


def coefficients(noise: Float[Tensor, "n c h w"], basis: Basis) -> Float[Tensor, "n m"]:
    """What the noise's first channel says along the basis: standard normal numbers, or the key."""
    if noise.shape[2:] != basis.shape[1:]:
        raise ValueError(f"the basis is for images of {tuple(basis.shape[1:])} pixels, got {tuple(noise.shape[2:])}")
    return torch.einsum("nhw,mhw->nm", noise[:, 0], basis.to(noise))


def inverted(velocity: Velocity, x: Float[Tensor, "n c h w"], steps: int = 16) -> Float[Tensor, "n c h w"]:
    """The noise from which a flow would draw these images: its equation, solved from t = 0 to t = 1.

    The label that was asked for is not known to whoever checks a picture, so `velocity` is that of any label.
    """
    if steps < 1:
        raise ValueError(f"an inversion needs at least one step, got {steps}")
    return last(midpoint(velocity, x, torch.linspace(0, 1, steps + 1)))


def score(found: Float[Tensor, "n m"], key: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
    """How far the findings point along the key, in standard deviations: N(0, 1) exactly, whatever has been found.

    Raises
    ------
    ValueError
        If key and findings do not fit together, or nothing was found at all.
    """
    if found.ndim != 2 or key.shape != found.shape[1:]:
        raise ValueError(f"findings (N, M) need a key (M,), got {tuple(found.shape)} and {tuple(key.shape)}")
    length = found.norm(dim=1)
    if not (length > 0).all():
        raise ValueError("a picture has no component along any wave: nothing points anywhere")
    return found @ key.to(found) / length


def p_value(scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How often a key that has nothing to do with a picture would score as high; uniform over such keys.

    Examples
    --------
    >>> p_value(torch.tensor([0.0, 3.0]))
    tensor([0.5000, 0.0013])
    """
    return torch.erfc(scores / math.sqrt(2)) / 2
