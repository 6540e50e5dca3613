"""Who can take a mark away, and who can put it where it does not belong?

A mark that convicts must not be forged: somebody who can write a firm's mark into a photograph can have it called
a fake. Two attackers without the key, each with some hundred marked pictures. One has nothing but a mean: what all
marked pictures have in common and unmarked ones have not is the trace of the key, to be subtracted or added. The
other has the model as well, and inverts the pictures, where the key itself is what they have in common.

Yang et al. 2024, Can Simple Averaging Defeat Modern Watermarks?; Müller et al. 2025, Black-Box Forgery Attacks on
Semantic Watermarks for Diffusion Models.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from course_lib.data.images import expect, to_float, to_uint8
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.solvers import Velocity, midpoint, times
from course_lib.ethics.tree_ring import Basis, coefficients, embed, inverted
from course_lib.model import last

Pixels = UInt8[Tensor, "n c h w"]
STEPS = 4  # of an inversion, two evaluations each


def trace(marked: Pixels, plain: Pixels) -> Float[Tensor, "c h w"]:
    """What marked pictures have in common that others have not: the difference of their means."""
    expect("plain", plain, torch.uint8, ("N", *marked.shape[1:]))
    return to_float(marked).mean(dim=0) - to_float(plain).mean(dim=0)


def shifted(pixels: Pixels, by: Float[Tensor, "c h w"]) -> Pixels:
    """Pictures plus a trace, to forge a mark; minus it, to strip one."""
    return to_uint8(to_float(pixels) + by)


def read_back(model: Flow, pixels: Pixels, basis: Basis, steps: int = STEPS) -> Float[Tensor, "n m"]:
    """What the noise of each picture says along the basis: the detector's finding, or the attacker's."""
    parts = [inverted(any_label(model, len(part)), to_float(part), steps) for part in pixels.split(250)]
    return coefficients(torch.cat(parts), basis)


def guessed_key(model: Flow, marked: Pixels, basis: Basis) -> Float[Tensor, " m"]:
    """The key as the mean of what marked pictures say: their own noise averages out, the key does not."""
    guess = read_back(model, marked, basis).mean(dim=0)
    return guess / guess.square().mean().sqrt()  # of the size that keys have


def rewritten(model: Flow, pixels: Pixels, basis: Basis, key: Float[Tensor, "*n m"], steps: int = STEPS) -> Pixels:
    """Pictures inverted to noise, given another key there, and drawn again.

    Parameters
    ----------
    model : Flow
    pixels : Tensor, uint8, (N, C, H, W)
        Marked ones, to strip them; real ones, to forge them.
    basis : Tensor, (M, H, W)
        Which the attacker knows: a method is published, a key is not.
    key : Tensor, (M,) or (N, M)
        A guessed one to forge; noise, one row an image, to strip.
    """
    velocity = any_label(model, len(pixels))
    noise = embed(inverted(velocity, to_float(pixels), steps), basis, key)
    return to_uint8(redrawn(velocity, noise, steps))


def redrawn(velocity: Velocity, noise: Float[Tensor, "n c h w"], steps: int) -> Float[Tensor, "n c h w"]:
    """The way back of `inverted`, by the same solver."""
    return last(midpoint(velocity, noise, times(steps)))


def any_label(model: Flow, n: int) -> Velocity:
    """The model's field for pictures whose label is not known."""
    return model.velocity(torch.full((n,), model.config["classes"], device=model.device))
