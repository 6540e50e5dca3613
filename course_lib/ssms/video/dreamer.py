"""What could come next? First what can be foreseen; then, in few words, what cannot.

The expected frame is sharp where the future is determined, and a blur where it is not: before the first frame any
sprite may appear, after it the sprite may fly in any direction. So a posterior sees the frame and says what its past
left open, at a price for each nat, and a painter paints by it. A prior that has not seen the frame learns to draw
what might be said (`chance`):

    z_frame    how the whole frame moves       painted = painter(past, z_frame)
    z_places   what each place still lacks     frame   = painted + correction(past, z_places)

The painter moves pixels of the frame before, so a sprite stays as sharp as it was, whatever is drawn. What is drawn
is fed back: once a sprite has set off its speed is there to be seen, and once a lamp is lit it stays.

Denton & Fergus 2018, Stochastic Video Generation with a Learned Prior. Theirs is a Gaussian for the whole frame; ours
is a flow over its places (`course_lib.diffusion`), since lamps are many. The price is that of `course_lib.vaes`.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss, pad

from course_lib.data.images import Batch
from course_lib.diffusion.schedules import add_noise, flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.model import Model, Objective, last
from course_lib.ssms.video.chance import (
    UNIT,
    Correction,
    Movement,
    Posterior,
    Prior,
    parted,
    seen_movement,
    tokens,
)
from course_lib.ssms.video.matching import matches
from course_lib.ssms.video.painting import MOVES, Painter
from course_lib.ssms.video.predictor import Clip, SsmPredictor
from course_lib.vaes.gaussian import kl_to_prior, reparameterise

Frames = Float[Tensor, "n c h w"]
OTHERS = 3  # frames of each clip that chance learns from, besides the first two
NOISES = 2  # that the prior meets on each latent: it is cheap beside the rest


class Dreamer(Model):
    """A distribution over the next frame, given those before it.

    Parameters
    ----------
    channels, size, frames, patch, rank, width, depth, ahead : int
        Of the predictor: see `Predictor`.
    latents : int
        Numbers that may be said of the frame, and of each of its places; at most `rank`.
    noise : float
        Standard deviation of a pixel around what is painted, in [-1, 1]: smaller errors are not worth a word.
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
        ahead: int = 3,
        latents: int = 8,
        noise: float = 0.07,
    ) -> None:
        super().__init__(
            channels=channels, size=size, frames=frames, patch=patch, rank=rank, width=width, depth=depth,
            ahead=ahead, latents=latents, noise=noise,
        )  # fmt: skip
        if not 2 <= latents <= rank or noise <= 0:
            raise ValueError(f"latents must be 2..{rank}, the codec's rank, and noise above 0: {latents}, {noise}")
        self.predictor = SsmPredictor(channels, size, frames, patch, rank, width, depth, ahead=ahead)
        self.latents, self.price = latents, 2 * noise**2 / (channels * size**2)
        wide = width + MOVES
        self.of_frame, self.of_places = Posterior(wide + MOVES, latents), Posterior(wide + rank, latents)
        self.movement, self.correction = Movement(wide, latents), Correction(wide, latents, rank)
        self.prior, self.painter = Prior(wide, latents), Painter(self.codec, wide, movements=1)

    @property
    def codec(self):
        return self.predictor.codec

    def objectives(self) -> list[Objective]:
        """What can be foreseen is learned as by any predictor; the rest looks at its features and leaves them alone."""
        chance = [p for name, p in self.named_parameters() if not name.startswith("predictor.")]
        foreseen = list(self.predictor.parameters())
        return [Objective("predictor", self.predictor.loss, foreseen), Objective("chance", self.loss, chance)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Squared error of what is painted when told, the price of telling, and flow matching of what was told."""
        features, before, frames = self.some_frames(batch.x)
        z, painted, nats = self.told(features, before, frames)
        error, matching = mse_loss(painted, frames), self.matching(z.detach(), features)
        total = error + self.price * nats.mean() + 0.1 * matching
        return {"loss": total, "painted": error.detach(), "nats": nats.mean().detach(), "matching": matching.detach()}

    @torch.no_grad()
    def some_frames(self, clip: Clip) -> tuple[Tensor, Frames, Frames]:
        """The first two frames of each clip, where most is left to chance, and some others, after what came before."""
        before = self.predictor.delayed(clip)
        features, _ = self.predictor.features(before, None, start=True)
        at = torch.cat([torch.arange(2), 2 + torch.randperm(clip.shape[1] - 2)[:OTHERS]]).to(clip.device)
        return features[:, at].flatten(0, 1), before[:, at].flatten(0, 1), clip[:, at].flatten(0, 1)

    def told(self, features: Tensor, before: Frames, frames: Frames) -> tuple[Tensor, Frames, Tensor]:
        """What is said of frames, what is painted of that, and what it costs in nats, (N,)."""
        likely = matches(frames, before, self.codec.patch)
        moved, weight = seen_movement(likely)
        guess = pad(moved / UNIT, (0, self.latents - 2))[:, None, None]
        of_frame = self.of_frame(torch.cat([features, likely], -1), guess, weight)
        z_frame = reparameterise(*of_frame, torch.randn_like(of_frame[0]))
        knowing, painted = self.moved(features, z_frame, before)
        missing = self.codec.encode(frames) - self.codec.encode(painted)
        of_places = self.of_places(torch.cat([knowing, missing], -1), missing[..., : self.latents] / UNIT)
        z_places = reparameterise(*of_places, torch.randn_like(of_places[0]))
        nats = kl_to_prior(*of_frame).sum((1, 2, 3)) + kl_to_prior(*of_places).sum((1, 2, 3))
        return tokens(z_frame, z_places), self.corrected(painted, knowing, z_places), nats

    def moved(self, features: Tensor, z_frame: Tensor, before: Frames) -> tuple[Tensor, Frames]:
        features, moves = self.movement(features, z_frame)
        return features, self.painter(features, before, self.codec, moves)

    def corrected(self, painted: Frames, features: Tensor, z_places: Tensor) -> Frames:
        return painted + self.codec.decode(self.correction(features, z_places)) - self.codec.ground(painted)

    def matching(self, z: Tensor, features: Tensor) -> Tensor:
        """Flow matching (Lipman et al. 2023); the one token of the frame weighs as much as all places."""
        z, features = z.repeat(NOISES, 1, 1), features.repeat(NOISES, 1, 1, 1)
        t, eps = torch.randn(len(z), device=z.device).sigmoid(), torch.randn_like(z)
        error = (self.prior(add_noise(z, eps, t, flow), t, features) - (eps - z)).square()
        return error[:, 0].mean() + error[:, 1:].mean()

    def draw(self, features: Float[Tensor, "n i j w"], before: Frames, steps: int) -> Frames:
        """One of the frames that may follow, by `steps` evaluations of the flow."""
        noise = torch.randn(len(features), 1 + features[0, ..., 0].numel(), self.latents, device=features.device)
        z = last(adams_bashforth(lambda z, t: self.prior(z, t.expand(len(z)), features), noise, times(steps)))
        z_frame, z_places = parted(z, features.shape[1:3])
        features, painted = self.moved(features, z_frame, before)
        return self.corrected(painted, features, z_places).clamp(-1, 1)

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
