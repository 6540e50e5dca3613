"""One row of the leaderboard: how far are a model's images from real ones?

A Fréchet distance alone says little: it falls with the number of samples, so even real images are at
some distance from other real images. That distance at the same n is the floor, and the excess over
it is what the model is to blame for. Precision and recall say which way it fails.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.metrics.coverage import precision_recall
from course_lib.metrics.distributions import frechet_distance, statistics
from course_lib.metrics.doors import checked_features, checked_images, same_width

Features = Callable[[Tensor], Tensor]  # images (N, C, H, W) in [-1, 1] -> (N, D)


class Score(NamedTuple):
    """How a set of images compares with real ones.

    Attributes
    ----------
    distance : float
        Fréchet distance to the real images.
    floor : float
        The same for as many real images that are not among them.
    excess : float
        distance - floor: about 0 for a perfect model.
    precision, recall : float
        Shares in [0, 1]: of the images that look real, of the real images that are covered.
    n : int
        How many images were judged. Distances at another n, or from other features, do not compare.
    """

    distance: float
    floor: float
    excess: float
    precision: float
    recall: float
    n: int

    def __str__(self) -> str:
        return (
            f"distance {self.distance:.3f} (floor {self.floor:.3f}, excess {self.excess:.3f}), "
            f"precision {self.precision:.2f}, recall {self.recall:.2f}, n = {self.n:,}"
        )


def evaluate(images: Tensor, reference: Tensor, features: Features, *, batch: int = 500) -> Score:
    """Score generated images against real ones.

    Parameters
    ----------
    images, reference : Tensor, float, (N, C, H, W) in [-1, 1]
        At least twice as many real images as generated ones.
    features : callable
        Images -> (N, D).
    batch : int
        Images a call of `features`.

    Raises
    ------
    ValueError
        As `embed` and `score`.
    """
    return score(embed(reference, features, batch), embed(images, features, batch))


def embed(images: Tensor, features: Features, batch: int = 500) -> Tensor:
    """Features of images, as a viewer would see them: values beyond [-1, 1] are clipped.

    Parameters
    ----------
    images : Tensor, float, (N, C, H, W) in [-1, 1]
    features : callable
        Images -> (N, D). A module is put in eval mode and fed on its own device.
    batch : int
        Images a call.

    Returns
    -------
    Tensor, float32, (N, D)
        On the CPU, without gradients.

    Raises
    ------
    ValueError
        If the images are uint8, far outside [-1, 1], or seem to be in [0, 1]: each yields a plausible
        distance that means nothing. Or if the features are not (N, D).
    """
    if batch < 1:
        raise ValueError(f"batch must be 1 or more, got {batch}")
    if checked_images(images, "images").min() >= 0:
        raise ValueError("images seem to be in [0, 1], since none is below 0: the features expect [-1, 1] (2 x - 1)")
    device = _place(features, images)
    with torch.no_grad():
        rows = [features(part.to(device).float().clamp(-1, 1)).float().cpu() for part in images.split(batch)]
    if any(row.ndim != 2 for row in rows) or sum(map(len, rows)) != len(images):
        raise ValueError(f"features must map images (n, C, H, W) to (n, D), got {tuple(rows[0].shape)}")
    return torch.cat(rows)


def _place(features: Features, images: Tensor) -> torch.device:
    if not isinstance(features, nn.Module):
        return images.device
    features.eval()  # batch statistics would make an image's features depend on its neighbours
    return next((p.device for p in features.parameters()), images.device)


def score(real: Tensor, fake: Tensor, *, seed: int = 0) -> Score:
    """Score features of generated images against those of real ones.

    The real set is split at random: n of it, as many as there are fakes, are kept out and yield the
    floor; all others are what both are compared with.

    Parameters
    ----------
    real : Tensor, (N, D), N >= 2 n
    fake : Tensor, (n, D), n > D
    seed : int
        Of the split.

    Raises
    ------
    ValueError
        If there are fewer than 2 n real features, n <= D, or the features do not fit together.
    """
    real, fake = checked_features(real, "real"), checked_features(fake, "fake")
    same_width(real, fake)
    n = len(fake)
    rest, held = _split(real, n, seed)
    reference = statistics(rest)
    distance, least = frechet_distance(reference, fake), frechet_distance(reference, held)
    return Score(distance, least, distance - least, *precision_recall(rest[:n], fake), n)


def floor(real: Tensor, n: int, *, seed: int = 0) -> float:
    """The Fréchet distance of n real feature vectors to all other real ones: what no model can beat.

    Parameters
    ----------
    real : Tensor, (N, D), N >= 2 n
    n : int
        More than D.
    seed : int
        Of the split.

    Raises
    ------
    ValueError
        If N < 2 n or n <= D.
    """
    return frechet_distance(*_split(real, n, seed))


def _split(real: Tensor, n: int, seed: int) -> tuple[Tensor, Tensor]:
    if not 0 < n <= len(real) // 2:
        raise ValueError(
            f"{len(real)} real features allow for a floor at 1 to {len(real) // 2} samples, got {n}: "
            "as many must be kept out of the reference, which should not be the smaller part"
        )
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed)).to(real.device)
    return real[order[n:]], real[order[:n]]
