"""A GAN in the plane, where one can count what it forgot.

Data on a grid of narrow Gaussians have modes that can be counted. A generator that is not made to cover
them draws what the discriminator cannot tell today, and moves on tomorrow: mode collapse.

The count follows Srivastava et al. 2017 (VEEGAN), section 4.1: a sample is of high quality within three
standard deviations of a mode, and a mode is found if such samples fall on it. We ask for a tenth of its
share, so that a stray sample does not count as a find.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.data.points import Mixture
from course_lib.gans.games import Game, relativistic
from course_lib.gans.gan import Gan

NEAR = 3.0  # standard deviations
SHARE = 0.1  # of what a mode would get from the data


class PointGan(Gan):
    """Two multilayer perceptrons on points (B, 2); labels are all 0 and ignored.

    Parameters
    ----------
    game : Game
    width, depth : int
        Hidden units a layer and hidden layers of either network.
    latent : int
    """

    def __init__(self, game: Game = relativistic, width: int = 128, depth: int = 3, latent: int = 16) -> None:
        super().__init__(
            Perceptron(latent, width, depth, 2),
            Score(width, depth),
            game,
            latent=latent,
            classes=1,
            config={"width": width, "depth": depth, "latent": latent},
        )


class Perceptron(nn.Sequential):
    """Vectors (B, inputs) -> (B, outputs); a label is taken and ignored."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int) -> None:
        widths = [inputs] + [width] * depth
        hidden = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        super().__init__(*hidden, nn.Linear(width, outputs))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return super().forward(x)


class Score(Perceptron):
    """Points (B, 2) -> scores (B,)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__(2, width, depth, 1)
        # Games that compare scores are blind to a constant: nothing would ever move this bias.
        self[-1].register_parameter("bias", None)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return super().forward(x, y)[:, 0]


class Coverage(NamedTuple):
    """What a set of samples covers.

    Attributes
    ----------
    modes : int
        How many were found.
    quality : float
        Share of the samples that lie on a mode, in [0, 1].
    """

    modes: int
    quality: float


def coverage(samples: Tensor, mixture: Mixture) -> Coverage:
    """Count the modes of a mixture of K that samples (N, D) found, and the samples that lie on one.

    Raises
    ------
    ValueError
        If there are fewer than 100 samples a mode: too few to tell a lost mode from a rare one.

    Examples
    --------
    >>> from course_lib.data.points import grid
    >>> coverage(grid(5).sample(2500, seed=0)[0], grid(5)).modes
    25
    """
    modes = len(mixture.means)
    if len(samples) < 100 * modes:
        raise ValueError(f"to count {modes} modes takes {100 * modes} samples or more, got {len(samples)}")
    mode, widths = mixture.nearest(samples)
    near = widths < NEAR
    hits = torch.bincount(mode[near], minlength=modes)
    found = hits >= SHARE * mixture.weights.to(samples) * len(samples)
    return Coverage(int(found.sum()), near.float().mean().item())
