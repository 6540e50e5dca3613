"""Is there a map behind the images?

A VAE's encoder spreads each image over a little cloud, so neighbouring latents must decode to similar images,
and the prior leaves no holes between them. If that is so, the latent space is a map: paths lead from one image
to another without a jump, a grid shows all there is, and an attribute (a beard, glasses) is a direction.
Everything here is a function of latents or of what they decode to, and can be asked of a plain autoencoder too.

White 2016, Sampling Generative Networks (arcs); Kingma & Welling 2014, figure 4 (maps); Larsen et al. 2016,
Autoencoding beyond Pixels (attributes). How far a decoded path is from its chord is our own measure.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Encode = Callable[[Tensor], Tensor]  # images (B, ...) -> latents (B, D)
Decode = Callable[[Tensor], Tensor]  # latents (B, D) -> images (B, ...)


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight line from a to b.

    Parameters
    ----------
    a, b : Tensor, (..., D)
    t : Tensor, (S,) in [0, 1]
        0 is a, 1 is b.

    Returns
    -------
    Tensor, (S, ..., D)

    Examples
    --------
    >>> lerp(torch.zeros(1), torch.ones(1), torch.tensor([0.0, 0.25, 1.0])).flatten()
    tensor([0.0000, 0.2500, 1.0000])
    """
    return torch.lerp(a, b, _along(a, b, t))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The arc from a to b about the origin (White 2016, section 2.1).

    In many dimensions nearly all of N(0, 1) lies at the distance sqrt(D) of the origin. A straight line cuts
    through the inside, where a decoder has seen little; an arc stays outside.

    Parameters
    ----------
    a, b : Tensor, (..., D)
        Not opposite, since no arc between opposite points is the shortest; parallel ones are joined by a line.
    t : Tensor, (S,) in [0, 1]

    Returns
    -------
    Tensor, (S, ..., D)
        Of constant length if a and b are equally long.
    """
    t = _along(a, b, t)
    cosine = torch.cosine_similarity(a, b, dim=-1)[..., None].clamp(-1, 1)
    if (cosine < -1 + 1e-6).any():
        raise ValueError("between opposite latents no arc is the shortest: move one of them a little, or use lerp")
    angle = cosine.arccos()
    arc = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / angle.sin()
    return torch.where(cosine > 1 - 1e-6, torch.lerp(a, b, t), arc)


def map_grid(side: int) -> Tensor:
    """Latents that divide the plane's prior evenly: the quantiles of N(0, 1) in each of two dimensions.

    Each stands for a cell of equal probability, so that a page of what they decode to shows everything in
    due proportion (Kingma & Welling 2014, figure 4).

    Parameters
    ----------
    side : int
        Points a row and a column, 1 or more.

    Returns
    -------
    Tensor, float32, (side * side, 2)
        Row by row from the top left: the first coordinate rises to the right, the second to the top.

    Examples
    --------
    >>> map_grid(2)
    tensor([[-0.6745,  0.6745],
            [ 0.6745,  0.6745],
            [-0.6745, -0.6745],
            [ 0.6745, -0.6745]])
    """
    if side < 1:
        raise ValueError(f"a map needs a side of 1 or more, got {side}")
    quantiles = torch.special.ndtri((torch.arange(side) + 0.5) / side)
    down, right = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    return torch.stack([right, down], -1).view(-1, 2)


def attribute_direction(latents: Tensor, present: Tensor) -> Tensor:
    """From the mean latent without an attribute to the mean with it (Larsen et al. 2016).

    Whatever else goes together with the attribute in these data goes along.

    Parameters
    ----------
    latents : Tensor, (N, D)
    present : Tensor, bool, (N,)

    Returns
    -------
    Tensor, (D,)
        Add it to a latent to give the image the attribute, subtract it to take it away.

    Raises
    ------
    ValueError
        If the shapes do not fit, or either kind is missing.
    """
    if latents.ndim != 2 or present.shape != latents.shape[:1] or present.dtype != torch.bool:
        raise ValueError(
            f"need latents (N, D) and bool (N,), got {tuple(latents.shape)} and {present.dtype} {tuple(present.shape)}"
        )
    if present.all() or not present.any():
        raise ValueError(f"need latents with the attribute and without it, got {int(present.sum())} of {len(present)}")
    return latents[present].mean(0) - latents[~present].mean(0)


def path_length(states: Tensor) -> Tensor:
    """The length of each path, summed over its steps.

    Parameters
    ----------
    states : Tensor, (S, B, ...)
        What S latents along each of B paths decode to, as pixels or as features.

    Returns
    -------
    Tensor, (B,)
    """
    return _steps(states).sum(0)


def detour(states: Tensor) -> Tensor:
    """The length of each path over the distance of its ends: (S, B, ...) -> (B,), 1 for a straight path.

    The ends must differ. A cross-fade is straight in pixels, though it shows two ghosts: measure it in features.
    """
    return path_length(states) / _distance(states[-1] - states[0])


def largest_jump(states: Tensor) -> Tensor:
    """The largest step of each path over its mean step: (S, B, ...) -> (B,).

    1 if the steps are even, S - 1 if all happens at once.
    """
    steps = _steps(states)
    return steps.amax(0) / steps.mean(0)


@torch.no_grad()
def drift(z: Tensor, encode: Encode, decode: Decode) -> Tensor:
    """How much an image changes if the autoencoder that made it reads and draws it again: (B, D) -> (B,).

    Mean squared error between decode(z) and its own reconstruction. It is large where the decoder is asked
    for what the encoder has never seen, as between the clusters of a plain autoencoder.
    """
    image = decode(z)
    return (decode(encode(image)) - image).square().flatten(1).mean(1)


def _along(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    if a.shape != b.shape or t.ndim != 1:
        raise ValueError(
            f"need two latents of one shape and times (S,), got {tuple(a.shape)}, {tuple(b.shape)} and {tuple(t.shape)}"
        )
    return t.to(a).view(-1, *[1] * a.ndim)


def _steps(states: Tensor) -> Tensor:
    if states.ndim < 3 or len(states) < 2:
        raise ValueError(f"paths must be (S, B, ...), at least two states each, got {tuple(states.shape)}")
    return torch.stack([_distance(step) for step in states.diff(dim=0)])


def _distance(difference: Tensor) -> Tensor:
    return difference.flatten(1).norm(dim=1)
