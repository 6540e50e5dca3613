"""What could come next? First what can be foreseen; then, in few words, what cannot.

The expected frame is sharp where the future is determined, and a blur where it is not: before the first frame any
sprite may appear, after it the sprite may fly in any direction. So what the past left open is said in two sentences
(`chance`), and each is drawn given what was said before it:

    movement   one of 49, by its probability      painted = painter(past, movement)
    residual   all pixels together, by a flow     frame   = painted + spread * residual

In training both are known: one is read off the frame and its predecessor, the other is a difference. The painter moves
pixels of the frame before, so a sprite stays as sharp as it was. What is drawn is fed back: once a sprite has set off
its speed is there to be seen, and once a lamp is lit it stays.

Denton & Fergus 2018, Stochastic Video Generation with a Learned Prior, where a posterior has to find out what to say;
Yang, Srivastava & Mandt 2022, Diffusion Probabilistic Modeling for Video Generation (a flow of the residual).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, pixel_shuffle

from course_lib.data.images import Batch
from course_lib.diffusion.schedules import add_noise, flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.model import Model, last
from course_lib.ssms.video.chance import Frames, Grid, Movement, Residual, Which, hues, seen_movement
from course_lib.ssms.video.painting import MOVES, Painter
from course_lib.ssms.video.predictor import Clip, SsmPredictor

SHARE = 3  # the flow is dear, so one frame in so many is enough for it
NATS, MATCHING = 0.02, 0.05  # squared errors that a nat of the movement, and the flow's error, are worth


class Dreamer(Model):
    """A distribution over the next frame, given those before it.

    Parameters
    ----------
    channels, size, frames, patch, rank, width, depth : int
        Of the predictor: see `Predictor`.
    noise : float
        Errors of a pixel, in [-1, 1], that are not worth a word: residuals are measured in units of spread + noise.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 32,
        frames: int = 12,
        patch: int = 4,
        rank: int = 16,
        width: int = 64,
        depth: int = 3,
        noise: float = 0.02,
    ) -> None:
        super().__init__(
            channels=channels, size=size, frames=frames, patch=patch, rank=rank, width=width, depth=depth, noise=noise
        )
        if noise <= 0 or patch % 2:
            raise ValueError(f"noise must be above 0 and patch even, got {noise} and {patch}")
        self.predictor = SsmPredictor(channels, size, frames, patch, rank, width, depth, ahead=0)
        self.noise, wide = noise, width + MOVES
        self.movement, self.painter = Movement(wide), Painter(self.codec, wide, movements=1)
        self.log_spread, self.residual = nn.Linear(wide, channels * patch**2), Residual(channels, patch, wide)
        self.register_buffer("hues", hues(channels), persistent=False)

    @property
    def codec(self):
        return self.predictor.codec

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Squared errors of what is expected and of what is painted when the movement is known; what the rest costs."""
        before = self.predictor.delayed(batch.x)
        features, _ = self.predictor.features(before, None, start=True)
        expected = mse_loss(self.predictor.paint(features, before), batch.x)
        features, before, frames = (x.flatten(0, 1) for x in (features, before, batch.x))
        movement = seen_movement(frames, before)
        nats = cross_entropy(self.movement(features), movement)
        features, painted, spread = self.painted(features, before, movement)
        error = mse_loss(painted, frames)
        lacks = torch.einsum("kc,nchw->nkhw", self.hues, (frames - painted).detach()) / (spread + self.noise)
        surprise = ((spread + self.noise).log() + lacks.square() / 2).mean()
        matching = self.matching(lacks.detach(), self.seen(painted, spread, before), features)
        total = expected + error + NATS * (nats + surprise) + MATCHING * matching
        terms = {"expected": expected, "painted": error, "nats": nats, "surprise": surprise, "matching": matching}
        return {"loss": total} | {name: value.detach() for name, value in terms.items()}

    def painted(self, features: Grid, before: Frames, movement: Which) -> tuple[Grid, Frames, Frames]:
        """Features that know the movement, frames painted by it, and how wrong these usually are in each hue."""
        features, moves = self.movement.told(features, movement)
        painted = self.painter(features, before, self.codec, moves)
        spread = pixel_shuffle(self.log_spread(features.detach()).float().movedim(-1, 1), self.codec.patch)
        return features, painted, spread.clamp(max=1).exp()

    @staticmethod
    def seen(painted: Frames, spread: Frames, before: Frames) -> Frames:
        """What the flow sees at each pixel."""
        return torch.cat([painted, spread, before], 1).detach()

    def matching(self, z: Frames, seen: Frames, features: Grid) -> Tensor:
        """Flow matching (Lipman et al. 2023) on some of the frames, rather on those of which little is certain."""
        spread = seen[:, z.shape[1] : 2 * z.shape[1]]
        some = spread.mean((1, 2, 3)).multinomial(max(len(z) // SHARE, 1))
        z, t, eps = z[some], torch.randn(len(some), device=z.device).sigmoid(), torch.randn_like(z[some])
        return mse_loss(self.residual(add_noise(z, eps, t, flow), t, seen[some], features[some]), eps - z)

    def draw(self, features: Float[Tensor, "n i j w"], before: Frames, steps: int) -> Frames:
        """One of the frames that may follow, by `steps` evaluations of the flow."""
        movement = self.movement(features).softmax(-1).multinomial(1)[:, 0]
        features, painted, spread = self.painted(features, before, movement)
        seen = self.seen(painted, spread, before)
        field = lambda z, t: self.residual(z, t.expand(len(z)), seen, features)
        z = last(adams_bashforth(field, torch.randn_like(painted), times(steps)))
        return (painted + torch.einsum("kc,nkhw->nchw", self.hues, spread * z)).clamp(-1, 1)

    @torch.no_grad()
    def dream(self, seen: Clip | None, n: int, steps: int) -> Iterator[Frames]:
        """Frames one after the other, each drawn given all before it, without end."""
        follow = self.predictor.features
        frame = self.codec.ground(torch.zeros(n, *self.predictor.shape, device=self.device))
        features, state = follow(frame[:, None], None, start=True)
        for frame in () if seen is None else seen.unbind(1):
            features, state = follow(frame[:, None], state)
        while True:
            frame = self.draw(features[:, -1], frame, steps)
            yield frame
            features, state = follow(frame[:, None], state)

    def predict(self, seen: Clip, steps: int) -> Clip:
        """The expected clip: see `Predictor.predict`."""
        return self.predictor.predict(seen, steps)

    def possible(self, seen: Clip, frames: int, evaluations: int = 8) -> Clip:
        """Go on with clips by chance: parameters as `predict`, and evaluations of the flow a frame."""
        self.predictor.check_clip(seen, frames)
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
        for _, frame in zip(range(frames or self.predictor.frames), self.dream(None, n, evaluations)):
            clip.append(frame)
            yield torch.stack(clip, 1)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        self.predictor.check_clip(batch.x, 1)
