"""Flow matching: learn the velocity that carries noise to images.

Draw an image x_0, noise eps and a time t; stand at x_t = (1 - t) x_0 + t eps; the straight path
through it has velocity eps - x_0. Regress on that. The minimiser is the mean velocity of all paths
through a point, and following it from noise at t = 1 leads to the data at t = 0.

Lipman et al. 2023, Flow Matching for Generative Modeling; Liu et al. 2023, Flow Straight and Fast.
Time runs as everywhere in this course (t = 1 is noise), against the papers' direction.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from course_lib.data.images import Batch
from course_lib.diffusion import schedules
from course_lib.diffusion.conditional import ConditionalModel
from course_lib.diffusion.guidance import guided
from course_lib.diffusion.schedules import add_noise
from course_lib.diffusion.solvers import Velocity, adams_bashforth, times

Solver = Callable[[Velocity, Tensor, Tensor], Iterator[Tensor]]


class Flow(ConditionalModel):
    """A class-conditional flow on images; `ConditionalModel` lists the parameters."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity (Lipman et al. 2023, eq. 23).

        Times are logit-normal (Esser et al. 2024, eq. 19): the ends of the path are easy, the middle is not.
        """
        x0, y = batch
        t, eps = torch.randn(len(x0), device=x0.device).sigmoid(), torch.randn_like(x0)
        v = self.net(add_noise(x0, eps, t, schedules.flow), t, self.hide(y))
        return {"loss": mse_loss(v.float(), eps - x0)}

    def velocity(self, y: Tensor, guidance: float = 1.0) -> Velocity:
        """The field for given labels, as a function (x_t, t) -> dx/dt."""
        return guided(self.predictor(y), self.predictor(self.any_of(y)), guidance)

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        steps: int = 32,
        guidance: float = 1.0,
        solver: Solver = adams_bashforth,
        noise: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Follow the field from noise to images.

        Parameters
        ----------
        n : int
            How many.
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        steps : int
            One network evaluation each (two with guidance) under the default solver.
        guidance : float
            1 is the model itself, more exaggerates the label.
        solver : callable
            One of `course_lib.diffusion.solvers`.
        noise : Tensor, (n, channels, size, size), optional
            Where to start; drawn from torch's generator if not given.

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The state after each step; the last is the images, in about [-1, 1].
        """
        y, noise = self.begin(n, y, noise)
        yield from solver(self.velocity(y, guidance), noise, times(steps))
