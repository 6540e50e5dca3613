"""Denoising diffusion: learn the noise.

Mix an image with noise at a random time and ask the network which noise it was. Its answer is the
mean of all noises that could have led here, and that is the score of the noisy data up to a factor
(parametrisation.py). Sampling walks back, step by step (samplers.py).

Ho et al. 2020, Denoising Diffusion Probabilistic Models, with the cosine schedule of Nichol & Dhariwal
2021. Our time is continuous: the number of steps is the sampler's choice, not the model's.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from course_lib.data.images import Batch
from course_lib.diffusion.conditional import ConditionalModel
from course_lib.diffusion.guidance import guided
from course_lib.diffusion.parametrisation import Denoiser, x0_from_eps
from course_lib.diffusion.samplers import ddim
from course_lib.diffusion.schedules import add_noise, at, cosine
from course_lib.diffusion.solvers import times

START = 0.995  # at t = 1 nothing of the image is left, and x_0 = (x_t - sigma eps) / alpha divides by zero


class Ddpm(ConditionalModel):
    """A class-conditional noise predictor; `ConditionalModel` lists the parameters."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the noise, every time alike (Ho et al. 2020, eq. 14)."""
        x0, y = batch
        t, eps = torch.rand(len(x0), device=x0.device), torch.randn_like(x0)
        predicted = self.net(add_noise(x0, eps, t, cosine), t, self.hide(y))
        return {"loss": mse_loss(predicted.float(), eps)}

    def denoiser(self, y: Tensor, guidance: float = 1.0) -> Denoiser:
        """The model for given labels, as a function (x_t, t) -> x_0 in [-1, 1]."""
        eps = guided(self.predictor(y), self.predictor(self.any_of(y)), guidance)
        # Clipping the guess to the range of images keeps early errors, divided by a small alpha, in bounds.
        return lambda x, t: x0_from_eps(x, eps(x, t), *at(cosine, t, x)).clamp(-1, 1)

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        steps: int = 50,
        guidance: float = 1.0,
        sampler: Callable[..., Iterator[Tensor]] = ddim,
        noise: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Walk back from noise to images; the parameters are those of `Flow.sample`, with a sampler of `samplers`."""
        y, noise = self.begin(n, y, noise)
        yield from sampler(self.denoiser(y, guidance), noise, cosine, times(steps, start=START))
