"""What comes next? One network for the next frame, with the past carried by one of three mixers.

    features_t = layers(x_0 ... x_{t-1})        past mixed in each place, then places mixed by convolutions
    x_t        = painter(features_t, x_{t-1})

Fed with true frames it is trained on all frames at once. In roll-out it is fed with what it painted itself, and a
network that has only ever seen true frames does not know what to do with its own small errors: they grow. So the
last few frames of each clip are rolled out in training too, and the error that is minimised there is that of the
roll-out. (How much that is worth is measured in `experiments.video_contest`: with these predictors, little.)

Smith et al. 2023, Convolutional State Space Models for Long-Range Spatiotemporal Modeling; Venkatraman, Hebert &
Bagnell 2015, Improving Multi-step Prediction of Learned Time Series Models (training on one's own predictions).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, silu

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.nn.attention import Cache
from course_lib.ssms.video.codec import PatchCodec
from course_lib.ssms.video.matching import matches
from course_lib.ssms.video.mixers import Attention, ConvLstm, Ssm
from course_lib.ssms.video.painting import MOVES, Painter

Clip = Float[Tensor, "b t c h w"]


class Predictor(Model):
    """The next frame, given those before it. Subclasses say how the past is carried.

    Parameters
    ----------
    channels, size : int
        Of a frame.
    frames : int
        Of a training clip; what `sample` draws if it is not told otherwise.
    patch, rank : int
        Of the codec: see `PatchCodec`.
    width, depth : int
        Features a place, layers.
    movements : int
        Ways of moving in one patch: see `Painter`.
    ahead : int
        Frames at the end of each training clip that the model predicts from its own predictions.
    """

    mixer: type[nn.Module]

    def __init__(
        self,
        channels: int = 1,
        size: int = 32,
        frames: int = 12,
        patch: int = 4,
        rank: int = 16,
        width: int = 64,
        depth: int = 3,
        movements: int = 1,
        ahead: int = 3,
    ) -> None:
        super().__init__(
            channels=channels, size=size, frames=frames, patch=patch, rank=rank, width=width, depth=depth,
            movements=movements, ahead=ahead,
        )  # fmt: skip
        if size % patch or not 0 <= ahead < frames:
            raise ValueError(f"patch must divide size ({patch}, {size}) and 0 <= ahead < frames ({ahead}, {frames})")
        self.shape, self.frames, self.ahead = (channels, size, size), frames, ahead
        self.codec = PatchCodec(channels, patch, rank)
        self.enter = nn.Conv2d(rank + MOVES + 1, width, 3, padding=1)
        self.places = nn.Parameter(0.1 * torch.randn(size // patch, size // patch, width))
        self.layers = nn.ModuleList(Layer(width, self.mixer(width)) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.movements = movements
        self.add_heads(width + MOVES, rank)

    def add_heads(self, width: int, rank: int) -> None:
        """What is made of the features; a subclass may want more than the expected frame."""
        self.painter = Painter(self.codec, width, self.movements)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Squared error of the next frame, and of the frames ahead in roll-out."""
        before = self.delayed(batch.x[:, : batch.x.shape[1] - self.ahead])
        features, state = self.features(before, None, start=True)
        return self.prediction_loss(self.paint(features, before), batch.x, state)

    def prediction_loss(self, painted: Clip, clip: Clip, state: list) -> dict[str, Tensor]:
        """From the frames painted where the past was told; the state after the last but one of them rolls on."""
        told, ahead = clip.split([painted.shape[1], clip.shape[1] - painted.shape[1]], dim=1)
        one = mse_loss(painted, told)
        if not self.ahead:
            return {"loss": one, "one": one.detach()}
        far = mse_loss(torch.stack(list(self.roll(told[:, -1], state, self.ahead)), 1), ahead)
        return {"loss": one + far, "one": one.detach(), "far": far.detach()}

    def delayed(self, x: Clip) -> Clip:
        """What stands before each frame: the ground before the first."""
        return torch.cat([self.codec.ground(x[:, :1]), x[:, :-1]], 1)

    def features(self, before: Clip, state: list | None, start: bool = False) -> tuple[Tensor, list]:
        """Features of the frames that follow on `before`, (B, T, I, J, W), and the state after them."""
        (earlier, *state) = state or [self.codec.ground(before[:, 0])] + [None] * len(self.layers)
        earlier = torch.cat([earlier[:, None], before[:, :-1]], 1)
        moved = matches(before.flatten(0, 1), earlier.flatten(0, 1), self.codec.patch).unflatten(0, before.shape[:2])
        x, after = spatial(self.enter, self.inputs(before, moved, start)) + self.places, [before[:, -1]]
        for layer, s in zip(self.layers, state):
            x, s = layer(x, s)
            after.append(s)
        return torch.cat([self.norm(x), moved], -1), after

    def inputs(self, before: Clip, moved: Tensor, start: bool) -> Float[Tensor, "b t i j k"]:
        """Latents of each frame, what moved in it, and whether it is the ground before the first."""
        z = self.codec.encode(before)
        first = torch.zeros_like(z[..., :1])
        if start:
            first[:, 0] = 1
        return torch.cat([z, moved, first], -1)

    def paint(self, features: Tensor, before: Clip) -> Clip:
        """The expected frames."""
        painted = self.painter(features.flatten(0, 1), before.flatten(0, 1), self.codec)
        return painted.unflatten(0, before.shape[:2])

    def roll(self, frame: Float[Tensor, "b c h w"], state: list, steps: int) -> Iterator[Float[Tensor, "b c h w"]]:
        """Paint frame after frame, each from the one painted before it."""
        for _ in range(steps):
            features, state = self.features(frame[:, None], state)
            painted = self.paint(features, frame[:, None])[:, 0]
            yield painted
            frame = painted.clamp(-1, 1)

    def begin(self, frames: int, n: int) -> list | None:
        """The state before the first of `frames` frames of `n` clips; None if nothing needs to be made ready."""
        return None

    @torch.no_grad()
    def predict(self, seen: Clip, steps: int) -> Clip:
        """Go on with clips.

        Parameters
        ----------
        seen : Tensor, (B, T, C, H, W) in [-1, 1], at least one frame
        steps : int
            Frames to paint.

        Returns
        -------
        Tensor, (B, steps, C, H, W) in [-1, 1]
        """
        self.check_clip(seen, steps)
        _, state = self.features(self.delayed(seen), self.begin(seen.shape[1] + steps, len(seen)), start=True)
        return torch.stack([x.clamp(-1, 1) for x in self.roll(seen[:, -1], state, steps)], 1)

    @torch.no_grad()
    def sample(self, n: int, frames: int | None = None) -> Iterator[Clip]:
        """Expected clips from nothing: all alike, and blurred; yields the clip so far."""
        ground, clip = self.codec.ground(torch.zeros(n, *self.shape, device=self.device)), []
        features, state = self.features(ground[:, None], self.begin(frames or self.frames, n), start=True)
        clip.append(self.paint(features, ground[:, None])[:, 0].clamp(-1, 1))
        yield torch.stack(clip, 1)
        for painted in self.roll(clip[0], state, (frames or self.frames) - 1):
            clip.append(painted.clamp(-1, 1))
            yield torch.stack(clip, 1)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        self.check_clip(batch.x, 1)

    def check_clip(self, clip: Tensor, steps: int) -> None:
        if clip.ndim != 5 or tuple(clip.shape[2:]) != self.shape or not clip.shape[1] or steps < 1:
            raise ValueError(
                f"need clips (B, T, {', '.join(map(str, self.shape))}) of one frame or more and 1 or more steps, "
                f"got {tuple(clip.shape)} and {steps}"
            )


class SsmPredictor(Predictor):
    """The past as a linear state of constant size; parameters as `Predictor`."""

    mixer = Ssm


class LstmPredictor(Predictor):
    """The past as a gated state of constant size; parameters as `Predictor`."""

    mixer = ConvLstm


class AttentionPredictor(Predictor):
    """The past as it was, all of it; parameters as `Predictor`."""

    mixer = Attention

    def begin(self, frames: int, n: int) -> list:
        ground = self.codec.ground(torch.zeros(n, *self.shape, device=self.device))
        return [ground, *(Cache(frames) for _ in self.layers)]


class Layer(nn.Module):
    """Mix each place with its past, then with its neighbours and with the mean of all places."""

    def __init__(self, width: int, mixer: nn.Module) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.mixer = mixer
        self.near, self.all = nn.Conv2d(width, width, 3, padding=1), nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, state) -> tuple[Tensor, object]:
        y, state = self.mixer(self.norms[0](x), state)
        x = x + y
        y = self.norms[1](x)
        return x + self.out(silu(spatial(self.near, y) + self.all(y.mean((2, 3), keepdim=True)))), state


def spatial(conv: nn.Conv2d, x: Float[Tensor, "*n i j w"]) -> Float[Tensor, "*n i j v"]:
    """A convolution in each frame; channels are last in memory already, so nothing is copied."""
    return conv(x.flatten(0, -4).movedim(-1, 1)).movedim(1, -1).unflatten(0, x.shape[:-3])


def copy_last(seen: Clip, steps: int) -> Clip:
    """The prediction that nothing moves."""
    return seen[:, -1:].expand(-1, steps, -1, -1, -1).clone()
