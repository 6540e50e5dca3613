"""A diffusion transformer: no convolution, no pyramid, only patches that look at each other.

Cut the image into patches; each becomes a token with its place. Time and label turn the knobs of every block
(adaLN-zero). At the start of training all gates are 0, and so is the last layer: the network predicts 0 whatever it
sees, and learns from there.

Peebles & Xie 2023, Scalable Diffusion Models with Transformers.
"""

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from course_lib.diffusion.flow import Flow
from course_lib.model import Model
from course_lib.nn.embeddings import TimeEmbedding
from course_lib.transformers.blocks import ConditionalBlock
from course_lib.transformers.positions import grid


class Dit(nn.Module):
    """(x_t, t, y) -> a prediction of x_t's shape.

    Parameters
    ----------
    channels, size : int
        Of the images.
    patch : int
        Pixels a token, each way; a divisor of the size.
    width, depth, heads : int
        Of the transformer; the width is a multiple of 4.
    classes : int
        Labels 0..classes-1; the label `classes` means "any".
    """

    def __init__(self, channels: int, size: int, patch: int, width: int, depth: int, heads: int, classes: int) -> None:
        super().__init__()
        if min(channels, size, patch, width, depth, heads, classes) < 1 or size % patch or width % 4:
            raise ValueError(
                f"all sizes must be at least 1, patch divide the size, 4 the width; got {patch}, {size} and {width}"
            )
        self.patch, self.side, self.shape = patch, size // patch, (channels, size, size)
        self.embed, self.time = nn.Linear(channels * patch**2, width), TimeEmbedding(width)
        self.label = nn.Embedding(classes + 1, width)
        self.register_buffer("places", grid(self.side, self.side, width), persistent=False)
        self.blocks = nn.ModuleList(ConditionalBlock(width, heads, width) for _ in range(depth))
        self.norm, self.knobs = nn.LayerNorm(width, elementwise_affine=False), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, channels * patch**2)
        for layer in (self.knobs, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        if x.shape[1:] != self.shape or not t.shape == y.shape == x.shape[:1]:
            shapes = [tuple(a.shape) for a in (x, t, y)]
            raise ValueError(f"x must be (B, {str(self.shape)[1:]}, t and y one number an image; got {shapes}")
        condition = self.time(t) + self.label(y)
        h = self.embed(pixel_unshuffle(x, self.patch).flatten(2).mT) + self.places
        for block in self.blocks:
            h = block(h, condition)
        gain, bias = self.knobs(silu(condition))[:, None].chunk(2, dim=-1)
        h = self.out(self.norm(h) * (1 + gain) + bias)
        return pixel_shuffle(h.mT.unflatten(2, (self.side, self.side)), self.patch)


class DitFlow(Flow):
    """A class-conditional flow whose network is a transformer; `Dit` lists the parameters."""

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        patch: int = 2,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        classes: int = 10,
        drop: float = 0.1,
    ) -> None:
        if not 0 <= drop <= 1:
            raise ValueError(f"drop must be in [0, 1], the share of labels that are hidden, got {drop}")
        sizes = {"channels": channels, "size": size, "patch": patch, "width": width, "depth": depth, "heads": heads}
        Model.__init__(self, **sizes, classes=classes, drop=drop)  # not Flow's: that would build a U-Net
        self.net = Dit(channels, size, patch, width, depth, heads, classes)
