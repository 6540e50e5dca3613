"""Images from captions: a flow whose network reads.

The network of `diffusion.flow` asks at every step which velocity leads to an image. Here it also looks at the
words: in the middle, where the picture is a map of 8 x 8 places, each place attends to the words of the caption.
The caption as a whole is added to the time's embedding, as a label would be. Some captions are left out in
training, so that guidance works as with labels.

Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models, section 3.3 (cross-attention).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pixel_shuffle, pixel_unshuffle, silu

from course_lib.data.captions import PAD, Vocabulary
from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.diffusion import schedules
from course_lib.diffusion.guidance import guided
from course_lib.diffusion.schedules import add_noise
from course_lib.diffusion.solvers import Velocity, adams_bashforth, times
from course_lib.model import Model
from course_lib.nn.embeddings import TimeEmbedding
from course_lib.nn.unet import Attention, ResBlock
from course_lib.transformers.blocks import Cross
from course_lib.transformers.text import TextEncoder, check_captions, understood


class TextUNet(nn.Module):
    """(x_t, t, words) -> a prediction of x_t's shape: the lean U-Net, with a look at the words in its middle.

    Parameters
    ----------
    channels : int
    width : int
        Features at half resolution, a multiple of 32; twice as many in the middle.
    depth : int
        Residual blocks on each side, and pairs of a residual block and a look at the words in the middle.
    words : int
        Features a word.
    """

    def __init__(self, channels: int, width: int, depth: int, words: int) -> None:
        super().__init__()
        dim = 2 * width
        self.time, self.caption = TimeEmbedding(dim), nn.Linear(words, dim)
        self.fold = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.down = nn.ModuleList(ResBlock(width, width, dim) for _ in range(depth))
        self.shrink = nn.Conv2d(width, dim, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(Reader(dim, words) for _ in range(depth))
        self.grow = nn.Conv2d(dim, 4 * width, 1)
        self.up = nn.ModuleList(ResBlock(2 * width, width, dim) for _ in range(depth))
        self.norm, self.unfold = nn.GroupNorm(1, width), nn.Conv2d(width, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.unfold.weight)
        nn.init.zeros_(self.unfold.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        condition = silu(self.time(t) + self.caption(features[:, 0]))
        h, skips = self.fold(pixel_unshuffle(x, 2)), []
        for block in self.down:
            skips.append(h := block(h, condition))
        h = self.shrink(h)
        for reader in self.middle:
            h = reader(h, condition, features, hidden)
        h = pixel_shuffle(self.grow(h), 2)
        for block in self.up:
            h = block(torch.cat([h, skips.pop()], dim=1), condition)
        return pixel_shuffle(self.unfold(silu(self.norm(h))), 2)


class Reader(nn.Module):
    """A residual block, a look at the whole picture, a look at the words."""

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.block, self.around = ResBlock(width, width, width), Attention(width)
        self.cross = Cross(width, width // 64, words)

    def forward(self, x: Tensor, condition: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        x = self.around(self.block(x, condition), condition)
        rows = x.flatten(2).mT  # (B, H W, C): each place of the map is one that may ask
        return x + self.cross(rows, features, hidden).mT.unflatten(2, x.shape[2:])


class TextToImage(Model):
    """A flow on images, given their captions.

    Parameters
    ----------
    words : sequence of str
        The vocabulary; a word's number is its place, plus two.
    length : int
        Words of the longest caption.
    channels, size : int
        Of the images; size is a multiple of 4.
    width, depth : int
        Of the U-Net.
    reading : int
        Features a word, a multiple of 32, in a transformer of two blocks.
    drop : float
        Share of the captions that are left out in training, in [0, 1].
    """

    def __init__(
        self,
        words: Sequence[str],
        length: int,
        channels: int = 3,
        size: int = 32,
        width: int = 64,
        depth: int = 2,
        reading: int = 64,
        drop: float = 0.1,
    ) -> None:
        least = min(length, channels, size, width, depth, reading)
        if least < 1 or size % 4 or width % 32 or reading % 32 or not 0 <= drop <= 1:
            raise ValueError(
                "all sizes must be at least 1, size a multiple of 4, width and reading of 32, drop in [0, 1], "
                f"got {size}, {width}, {reading}, {drop}"
            )
        sizes = {"channels": channels, "size": size, "width": width, "depth": depth, "reading": reading, "drop": drop}
        super().__init__(words=list(words), length=length, **sizes)
        self.vocabulary, self.length, self.drop = Vocabulary(tuple(words)), length, drop
        self.shape = (channels, size, size)
        self.text = TextEncoder(len(self.vocabulary), length, reading, depth=2, heads=reading // 32)
        self.net = TextUNet(channels, width, depth, reading)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        if batch.x.shape[1:] != self.shape or batch.x.abs().max() > 2:
            raise ValueError(
                f"images must be (B, {', '.join(map(str, self.shape))}) in about [-1, 1], got {tuple(batch.x.shape)} "
                f"with values up to {float(batch.x.abs().max()):.3g}"
            )
        check_captions(batch.y, (len(batch.x), self.length), len(self.vocabulary))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity, some captions left out (as `diffusion.flow`)."""
        x0, tokens = batch
        t, eps = torch.randn(len(x0), device=x0.device).sigmoid(), torch.randn_like(x0)
        left_out = torch.rand(len(x0), 1, device=x0.device) < self.drop
        read = self.text(tokens.masked_fill(left_out, PAD))
        v = self.net(add_noise(x0, eps, t, schedules.flow), t, *read)
        return {"loss": mse_loss(v.float(), eps - x0)}

    def read(self, captions: Sequence[str]) -> Int[Tensor, "n l"]:
        """Captions as tokens; ValueError for one that the model cannot understand (see `text.understood`)."""
        return understood(captions, self.vocabulary, self.length).to(self.device)

    def predictor(self, tokens: Int[Tensor, "n l"]) -> Velocity:
        """The field for these captions, as a function (x_t, t) -> dx/dt; the words are read once."""
        mode = precision(self.device)
        with torch.no_grad(), mode.autocast(self.device):
            features, hidden = self.text(tokens)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            with mode.autocast(x.device):
                return self.net(x, t.expand(len(x)), features, hidden).float()

        return velocity

    @torch.no_grad()
    def sample(
        self,
        n: int,
        tokens: Int[Tensor, "n l"] | None = None,
        *,
        steps: int = 32,
        guidance: float = 1.0,
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Iterator[Float[Tensor, "n c h w"]]:
        """Follow the field from noise to images.

        Parameters
        ----------
        n : int
        tokens : Tensor, int64, (n, length), optional
            The captions, by `read`; without them the model draws anything.
        steps : int
            One network evaluation each, two with guidance.
        guidance : float
            1 is the model itself, more exaggerates the caption.
        noise : Tensor, (n, channels, size, size), optional

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The state after each step; the last is the images, in about [-1, 1].
        """
        if n < 1:
            raise ValueError(f"n must be at least 1 image, got {n}")
        anything = torch.zeros(n, self.length, dtype=torch.int64, device=self.device)
        tokens = anything if tokens is None else tokens
        noise = torch.randn(n, *self.shape, device=self.device) if noise is None else noise
        check_captions(tokens, anything.shape, len(self.vocabulary))
        if noise.shape != (n, *self.shape):
            raise ValueError(f"noise must be {(n, *self.shape)}, got {tuple(noise.shape)}")
        self.eval()
        field = guided(self.predictor(tokens), self.predictor(anything), guidance)
        yield from adams_bashforth(field, noise, times(steps))
