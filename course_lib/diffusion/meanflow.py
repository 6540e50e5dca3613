"""One step: learn the average velocity.

A flow's velocity is exact for an instant only, so a sampler takes many small steps. MeanFlow learns
the average velocity between two times instead, u(x_t, r, t), with which one step does:

    x_r = x_t - (t - r) u(x_t, r, t)

Differentiating (t - r) u = integral of v from r to t along the path gives an identity without an integral,

    u = v - (t - r) du/dt,    du/dt = v . grad_x u + d_t u,

whose right side serves as the target. The total derivative is one forward-mode product beside the
network's own pass. At r = t it is flow matching.

Geng et al. 2025, Mean Flows for One-step Generative Modeling (eqs. 4, 6 and 10; their time runs as ours).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.diffusion import schedules
from course_lib.diffusion.conditional import ConditionalModel
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.schedules import add_noise
from course_lib.diffusion.solvers import times
from course_lib.nn.embeddings import TimeEmbedding

INSTANT = 0.5  # share of the batch with r = t, which is trained as a plain flow


class MeanFlow(ConditionalModel):
    """A class-conditional average velocity; `ConditionalModel` lists the parameters.

    Attributes
    ----------
    teacher : Flow or None
        If set, the velocity v is the teacher's for the label, with guidance `scale`, instead of the
        noisy eps - x_0: same mean, less variance, and guidance costs nothing later.
    """

    def __init__(
        self, channels: int = 1, size: int = 28, width: int = 64, depth: int = 2, classes: int = 10, drop: float = 0.1
    ) -> None:
        super().__init__(channels, size, width, depth, classes, drop)
        self.net.to(memory_format=torch.contiguous_format)  # in torch 2.6 to 2.8 a norm in channels_last has no jvp
        self.span = TimeEmbedding(2 * width)
        nn.init.zeros_(self.span.mlp[-1].weight)  # at the start the span t - r does not matter
        nn.init.zeros_(self.span.mlp[-1].bias)
        self._teacher: list[Flow] = []  # in a list, so that it is no part of this model's weights
        self.scale = 1.0

    @classmethod
    def from_flow(cls, teacher: Flow, scale: float = 1.0) -> "MeanFlow":
        """A student that starts as its teacher and learns to do its steps in one."""
        student = cls(**teacher.config).to(teacher.device)
        student.net.load_state_dict(teacher.net.state_dict())
        student._teacher, student.scale = [teacher.eval()], scale
        return student

    def average(self, x: Tensor, r: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """u(x_t, r, t): x (B, C, H, W), times r <= t and labels (B,)."""
        return self.net.body(x, self.net.embed(t, y) + self.span(t - r))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Squared error against the identity's right side (eqs. 10-11), weighted adaptively (eq. 22 with p = 1/2)."""
        x0, y = batch
        r, t = two_times(x0)
        eps = torch.randn_like(x0)
        x_t, y = add_noise(x0, eps, t, schedules.flow), self.hide(y)
        v = self._velocity(x_t, t, y, eps - x0)
        u, du_dt = torch.func.jvp(
            lambda x, r, t: self.average(x, r, t, y), (x_t, r, t), (v, torch.zeros_like(r), torch.ones_like(t))
        )
        error = (u.float() - target(v, du_dt, r, t)).square().mean(dim=(1, 2, 3))
        return {"loss": (error / (error.detach() + 1e-2).sqrt()).mean(), "error": error.mean()}

    def _velocity(self, x_t: Tensor, t: Tensor, y: Tensor, straight: Tensor) -> Tensor:
        if not self._teacher:
            return straight
        with torch.no_grad():
            return self._teacher[0].velocity(y, self.scale)(x_t, t)

    @torch.no_grad()
    def sample(
        self, n: int, y: Tensor | None = None, *, steps: int = 1, noise: Tensor | None = None
    ) -> Iterator[Tensor]:
        """`steps` jumps from noise to images, one network evaluation each; otherwise as `Flow.sample`."""
        y, x = self.begin(n, y, noise)
        grid = times(steps).to(x)
        for t, r in zip(grid, grid[1:]):
            with precision(x.device).autocast(x.device):
                u = self.average(x, r.expand(n), t.expand(n), y).float()
            x = x - (t - r) * u
            yield x


def target(
    v: Float[Tensor, "b c h w"], du_dt: Float[Tensor, "b c h w"], r: Float[Tensor, " b"], t: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """v - (t - r) du/dt, without gradient (eq. 10): a network that chased its own target would run away."""
    return (v - (t - r)[:, None, None, None] * du_dt.float()).detach()


def two_times(x0: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Logit-normal r <= t, one pair an image; in a share `INSTANT` of them r = t (their section 4.3)."""
    drawn = torch.randn(2, len(x0), device=x0.device).sigmoid()
    r, t = drawn.amin(0), drawn.amax(0)
    instant = torch.rand(len(x0), device=x0.device) < INSTANT
    return torch.where(instant, t, r), t
