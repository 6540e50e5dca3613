"""Where should a picture come from: from noise, or from the source itself?

Both models here draw from p(x | y). They walk a path of states x_t, and at each the network guesses the target:

    flow      x_t = (1 - t) x + t eps                                  starts at noise; the source is only shown
    bridge    x_t = (1 - t) x + t y + spread sqrt(t (1 - t)) eps       starts at the source, is exact at both ends

A flow has nothing to begin with and follows an ordinary differential equation. A bridge begins at y, so what x and
y share need not be drawn; but from one point an ordinary equation leads to one point only, so the noise of its
draws has to come in on the way: each step guesses x and draws the next state of a Brownian bridge between the two.

The network answers with the target, not with the noise or a velocity, as it usually would: to name the noise it
would have to copy every pixel of it, and what a lean network cannot copy stays in the picture, as speckles in the dark
(Li & He 2025, Back to Basics: Let Denoising Generative Models Denoise).

We take the flow where source and target share little (a day, its night), and the bridge where they share nearly
all (a coarse picture, a fine one), where `course_lib.experiments.super_resolution_contest` compares both.

Lipman et al. 2023; Liu et al. 2023, I2SB: Image-to-Image Schrödinger Bridge; Albergo et al. 2023, Stochastic
Interpolants.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from course_lib.applications.translation import Translator
from course_lib.data.images import Batch
from course_lib.diffusion import schedules
from course_lib.diffusion.samplers import dpm_solver
from course_lib.diffusion.schedules import add_noise
from course_lib.diffusion.solvers import times

LATE = 0.1  # from this time on an error weighs no more: hardly any noise is left to make one


class PairedFlow(Translator):
    """A flow from noise to targets that is shown the source. Parameters as `Translator`."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity (x_t - x_0) / t, at logit-normal times (as `diffusion.flow`)."""
        x0, y = batch
        t, eps = torch.randn(len(x0), device=x0.device).sigmoid(), torch.randn_like(x0)
        guess = self.answer(add_noise(x0, eps, t, schedules.flow), t, y)
        return {"loss": ((guess - x0).square().mean(dim=(1, 2, 3)) / t.clamp(min=LATE) ** 2).mean()}

    def sample(
        self, n: int, y: Tensor | None = None, *, steps: int = 16, noise: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Follow the field from noise to targets.

        Parameters
        ----------
        n : int
        y : Tensor, float, (n, channels, H, W), optional
            The sources; grey pictures if not given.
        steps : int
            One network evaluation each.
        noise : Tensor, (n, channels, H, W), optional

        Yields
        ------
        Tensor, float32, (n, channels, H, W)
            The state after each step; the last is the pictures, in about [-1, 1].
        """
        y, noise = self.begin(n, y, noise)
        yield from dpm_solver(lambda x, t: self.predict(x, t, y), noise, schedules.flow, times(steps))


class Bridge(Translator):
    """A Brownian bridge from sources to targets.

    Parameters
    ----------
    channels, size, width, depth, keep
        As `Translator`.
    spread : float
        Of the noise on the way, more than 0: its standard deviation is half of it in the middle. About the size of
        what is to be drawn serves well: more takes more steps to walk off, less leaves nothing to draw from.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 32,
        depth: int = 1,
        keep: float = 0.0,
        spread: float = 0.5,
    ) -> None:
        if spread <= 0:
            raise ValueError(f"spread must be more than 0, got {spread}: without noise all draws are one")
        super().__init__(channels, size, width, depth, keep)
        self.config["spread"] = self.spread = spread

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of (x_t - x_0) / (spread sqrt(t)), whose size hardly changes (Liu et al. 2023, eq. 12)."""
        x0, y = batch
        t, eps = torch.rand(len(x0), device=x0.device), torch.randn_like(x0)
        guess = self.answer(between(x0, y, t[:, None, None, None], self.spread, eps), t, y)
        return {"loss": ((guess - x0).square().mean(dim=(1, 2, 3)) / t.clamp(min=LATE)).mean() / self.spread**2}

    def sample(
        self, n: int, y: Tensor | None = None, *, steps: int = 16, generator: torch.Generator | None = None
    ) -> Iterator[Tensor]:
        """Walk from the sources to targets.

        Parameters
        ----------
        n, y, steps
            As for `PairedFlow`.
        generator : torch.Generator, optional
            Of the noise on the way.

        Yields
        ------
        Tensor, float32, (n, channels, H, W)
            The state after each step; the last is the pictures, in about [-1, 1].
        """
        y, _ = self.begin(n, y, None)
        yield from walk(lambda x, t: self.predict(x, t, y), y, times(steps), self.spread, generator)


def between(x0: Tensor, y: Tensor, t: Tensor, spread: float, eps: Tensor) -> Tensor:
    """A state of the Brownian bridge from x_0 at t = 0 to y at t = 1 (Liu et al. 2023, eq. 11).

    Parameters
    ----------
    x0, y, eps : Tensor, (B, ...)
        Target, source and standard normal noise.
    t : Tensor, in [0, 1], of a shape that multiplies them
    spread : float

    Examples
    --------
    >>> x0, y, eps = torch.zeros(1), torch.ones(1), torch.ones(1)
    >>> [between(x0, y, torch.tensor(t), 0.5, eps).item() for t in (0.0, 0.5, 1.0)]
    [0.0, 0.75, 1.0]
    """
    if not x0.shape == y.shape == eps.shape:
        shapes = [tuple(part.shape) for part in (x0, y, eps)]
        raise ValueError(f"target, source and noise must have one shape, got {shapes}")
    return (1 - t) * x0 + t * y + spread * (t * (1 - t)).sqrt() * eps


@torch.no_grad()
def walk(
    denoise: Callable[[Tensor, Tensor], Tensor],
    y: Tensor,
    times: Tensor,
    spread: float,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """From the source to a target, each step a draw from the bridge between the state and the guess.

    Between x_0 at time 0 and x_t at time t, a Brownian bridge at s has mean x_0 + (x_t - x_0) s / t and variance
    spread^2 s (t - s) / t. If the guess is the target, the states at all times are those of `between`, however few
    the steps.

    Parameters
    ----------
    denoise : callable
        (x_t, t) -> the mean target x_0 given the state.
    y : Tensor, (B, ...)
    times : Tensor, (steps + 1,)
        Falling, from 1 (source) to 0 (target).
    spread : float
    generator : torch.Generator, optional

    Yields
    ------
    Tensor, (B, ...)
        The state at each of times[1:].
    """
    x = y
    for t, s in pairwise(times.to(y)):
        x0 = denoise(x, t)
        z = torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)
        x = torch.lerp(x0, x, s / t) + spread * (s * (t - s) / t).sqrt() * z
        yield x
