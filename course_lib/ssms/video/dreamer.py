"""What could come next? The expected frame, how far off it may be, and a flow for the rest.

The expected frame is sharp where the future is determined, and a blur where it is not: before the first frame any
sprite may appear, after it the sprite may fly in any direction. So the model states for each place and component
how large its error will be (a Gaussian likelihood makes it honest), and a small flow draws the error in these
units:

    latent = expected + scale * flow(noise | features)

Where the model is sure, the scale is next to nothing and whatever the flow draws does no harm: a clip does not fall
apart by the noise of a hundred draws. What is drawn is fed back, so that later frames agree with it.

Yang, Srivastava & Mandt 2022, Diffusion Probabilistic Modeling for Video Generation (residuals of a prediction);
the flow is that of `course_lib.diffusion.flow`.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, silu

from course_lib.data.images import Batch
from course_lib.diffusion.schedules import add_noise, flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.model import last
from course_lib.nn.embeddings import sinusoidal
from course_lib.ssms.video.predictor import Clip, SsmPredictor

SHARP = 0.01  # the smallest scale: in units of the components' spread
DRAWN = 2  # further frames of each clip on which the flow is trained, besides the first two


class Dreamer(SsmPredictor):
    """A distribution over the next frame, given those before it; parameters as `Predictor`."""

    def add_heads(self, width: int, rank: int) -> None:
        super().add_heads(width, rank)
        self.scale, self.flow = nn.Linear(width, rank), ErrorFlow(rank, width)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The predictor's loss, the likelihood of the scale, and flow matching of the errors in its units."""
        told = batch.x[:, : batch.x.shape[1] - self.ahead]
        before = self.delayed(told)
        features, state = self.features(before, None, start=True)
        painted = self.paint(features, before)
        terms = self.prediction_loss(painted, batch.x, state)
        error = self.codec.encode(told) - self.codec.encode(painted.detach())
        log_scale = self.log_scale(features)
        honest = (log_scale + 0.5 * (error * (-log_scale).exp()).square()).mean()
        at = self.interesting(told.shape[1])
        r = (error * (-log_scale.detach()).exp())[:, at].flatten(0, 1).clamp(-5, 5)
        t, eps = torch.randn(len(r), device=r.device).sigmoid(), torch.randn_like(r)
        v = self.flow(add_noise(r, eps, t, flow), t, features[:, at].flatten(0, 1))
        matching = mse_loss(v.float(), eps - r)
        total = terms["loss"] + 0.02 * honest + 0.1 * matching
        return terms | {"loss": total, "honest": honest.detach(), "matching": matching.detach()}

    def interesting(self, frames: int) -> Tensor:
        """The first two frames, where most is left to chance, and some others."""
        return torch.cat([torch.arange(2), 2 + torch.randperm(frames - 2)[:DRAWN]]).to(self.device)

    def log_scale(self, features: Tensor) -> Tensor:
        return self.scale(features).float().clamp(-8, 3).exp().add(SHARP).log()

    def draw(self, features: Tensor, before: Float[Tensor, "b c h w"], steps: int) -> Float[Tensor, "b c h w"]:
        """One of the frames that may follow, by `steps` evaluations of the flow."""
        expected = self.paint(features, before[:, None])[:, 0]
        features, scale = features[:, 0], self.log_scale(features[:, 0]).exp()
        noise = torch.randn_like(scale)
        r = last(adams_bashforth(lambda x, t: self.flow(x, t.expand(len(x)), features).float(), noise, times(steps)))
        return (expected + self.codec.decode(r * scale) - self.codec.ground(expected)).clamp(-1, 1)

    @torch.no_grad()
    def dream(self, seen: Clip | None, n: int, steps: int) -> Iterator[Float[Tensor, "b c h w"]]:
        """Frames one after the other, each drawn given all before it, without end."""
        frame = self.codec.ground(torch.zeros(n, *self.shape, device=self.device)) if seen is None else seen[:, -1]
        before = frame[:, None] if seen is None else self.delayed(seen)
        features, state = self.features(before, None, start=True)
        if seen is not None:
            features, state = self.features(frame[:, None], state)
        while True:
            frame = self.draw(features[:, -1:], frame, steps)
            yield frame
            features, state = self.features(frame[:, None], state)

    def possible(self, seen: Clip, frames: int, evaluations: int = 8) -> Clip:
        """Go on with clips by chance: parameters as `predict`, and evaluations of the flow a frame."""
        self.check_clip(seen, frames)
        return torch.stack([frame for _, frame in zip(range(frames), self.dream(seen, len(seen), evaluations))], 1)

    def sample(self, n: int, frames: int | None = None, *, evaluations: int = 8) -> Iterator[Clip]:
        """Draw clips from nothing.

        Parameters
        ----------
        n : int
        frames : int, optional
            As many as a training clip has, if not given; there is no limit, and the state does not grow.
        evaluations : int
            Of the flow, a frame.

        Yields
        ------
        Tensor, (n, t, C, H, W) in [-1, 1]
            The clip so far, t = 1 ... frames.
        """
        clip = []
        for _, frame in zip(range(frames or self.frames), self.dream(None, n, evaluations)):
            clip.append(frame)
            yield torch.stack(clip, 1)


class ErrorFlow(nn.Module):
    """The velocity of the errors (N, I, J, R), given features (N, I, J, W) of each place."""

    def __init__(self, rank: int, width: int, hidden: int = 48, depth: int = 4) -> None:
        super().__init__()
        self.enter, self.given = nn.Conv2d(rank, hidden, 3, padding=1), nn.Linear(width, hidden)
        self.time = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU())
        self.blocks = nn.ModuleList(FlowBlock(hidden) for _ in range(depth))
        self.out = nn.Linear(hidden, rank)

    def forward(self, x: Tensor, t: Tensor, features: Tensor) -> Tensor:
        given, time = self.given(features), self.time(sinusoidal(t, self.given.out_features))
        x = self.enter(x.movedim(-1, 1)).movedim(1, -1) + given
        for block in self.blocks:
            x = block(x, time)
        return self.out(x)


class FlowBlock(nn.Module):
    """Neighbours by a convolution, the rest of the frame by its mean, the time by a gain and a shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.frame = nn.LayerNorm(width), nn.Linear(2 * width, 2 * width)
        self.near = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        gain, shift = self.frame(torch.cat([time, x.mean((1, 2))], -1))[:, None, None].chunk(2, -1)
        y = silu(self.norm(x) * (1 + gain) + shift)
        return x + self.near(y.movedim(-1, 1)).movedim(1, -1)
