"""The design space laid open: noise level, preconditioning and solver, each on its own.

Karras et al. 2022, Elucidating the Design Space of Diffusion-Based Generative Models. Noise is added
without shrinking the image, x = x_0 + sigma n. A network that sees x and answers in units of pixels
would have to cope with inputs of size 0.5 to 80; so it is wrapped,

    D(x, sigma) = c_skip x + c_out F(c_in x, sigma),

with factors such that the input of F, and the target that it is trained on, have variance one at every
sigma, and that its errors are amplified as little as possible.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from course_lib.data.images import Batch
from course_lib.diffusion.conditional import ConditionalModel
from course_lib.diffusion.guidance import guided
from course_lib.diffusion.parametrisation import Denoiser, velocity
from course_lib.diffusion.schedules import Scalar
from course_lib.diffusion.solvers import heun, times

SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 80.0, 7.0
SIGMA_DATA = 0.5  # standard deviation of the images, which lie in [-1, 1]


def karras(t: Scalar) -> tuple[Scalar, Scalar]:
    """The schedule (1, sigma): sigma rises from 0.002 to 80, most steps at little noise (eq. 5)."""
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    return torch.ones_like(t), (low + t * (high - low)) ** RHO


def time_of(sigma: Scalar) -> Scalar:
    """The inverse of `karras`: sigma -> t in [0, 1]."""
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    return (sigma ** (1 / RHO) - low) / (high - low)


def preconditioning(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(c_skip, c_out, c_in) of table 1, for data of standard deviation `SIGMA_DATA`."""
    total = torch.sqrt(sigma**2 + SIGMA_DATA**2)
    return SIGMA_DATA**2 / total**2, sigma * SIGMA_DATA / total, 1 / total


class Edm(ConditionalModel):
    """A class-conditional preconditioned denoiser; `ConditionalModel` lists the parameters."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Error of the wrapped network against its unit-variance target, which is eq. 8 with weight 1 / c_out^2."""
        x0, y = batch
        sigma = torch.exp(1.2 * torch.randn(len(x0), device=x0.device) - 1.2).clamp(SIGMA_MIN, SIGMA_MAX)
        x = x0 + sigma[:, None, None, None] * torch.randn_like(x0)
        c_skip, c_out, c_in = (c[:, None, None, None] for c in preconditioning(sigma))
        answer = self.net(c_in * x, time_of(sigma), self.hide(y))
        return {"loss": mse_loss(answer.float(), (x0 - c_skip * x) / c_out)}

    def denoiser(self, y: Tensor, guidance: float = 1.0) -> Denoiser:
        """The model for given labels, as a function (x_t, t) -> x_0 on the schedule `karras`."""
        return guided(self._denoiser(y), self._denoiser(self.any_of(y)), guidance)

    def _denoiser(self, y: Tensor) -> Denoiser:
        answer = self.predictor(y)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            c_skip, c_out, c_in = preconditioning(karras(t)[1])
            return c_skip * x + c_out * answer(c_in * x, t)

        return denoise

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        steps: int = 18,
        guidance: float = 1.0,
        noise: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Heun's method, two evaluations a step (algorithm 1); the parameters are those of `Flow.sample`."""
        y, noise = self.begin(n, y, noise)
        yield from heun(velocity(self.denoiser(y, guidance), karras), SIGMA_MAX * noise, times(steps))
