"""A lean U-Net (Ronneberger et al. 2015; as a denoiser, Ho et al. 2020).

Fold 2 x 2 pixels into channels, work at half and at quarter resolution, unfold. Time and class
enter each block as a gain and a bias on its channels (FiLM, Perez et al. 2018). Most of the cost of
the usual U-Net sits in its convolutions at full resolution; on 28 to 32 px images they buy nothing.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from course_lib.nn.embeddings import TimeEmbedding

GROUPS = 1  # over all channels: as good here as 8 groups, and several times faster on a CPU
HEAD = 64


class UNet(nn.Module):
    """(x_t, t, y) -> a prediction of x_t's shape.

    Parameters
    ----------
    channels : int
        Image channels.
    width : int
        Features at half resolution, a multiple of 32; twice as many at quarter resolution.
    depth : int
        Residual blocks on each side; one more at the bottom, around the attention.
    classes : int
        Labels 0..classes-1; the label `classes` means "any" (for guidance).
    """

    def __init__(self, channels: int, width: int, depth: int, classes: int) -> None:
        super().__init__()
        if width % (HEAD // 2) or min(width, channels, depth, classes) < 1:
            raise ValueError(
                f"width must be a multiple of {HEAD // 2}, since attention at twice the width has heads of {HEAD}, and "
                f"channels, depth and classes at least 1; got {width}, {channels}, {depth}, {classes}"
            )
        dim = 2 * width
        self.channels, self.classes = channels, classes
        self.time, self.label = TimeEmbedding(dim), nn.Embedding(classes + 1, dim)
        self.fold = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.down = nn.ModuleList(ResBlock(width, width, dim) for _ in range(depth))
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(
            [ResBlock(2 * width, 2 * width, dim), Attention(2 * width)]
            + [ResBlock(2 * width, 2 * width, dim) for _ in range(depth)]
        )
        self.grow = nn.Conv2d(2 * width, 4 * width, 1)
        self.up = nn.ModuleList(ResBlock(2 * width, width, dim) for _ in range(depth))
        self.norm = nn.GroupNorm(GROUPS, width)
        self.unfold = _zeroed(nn.Conv2d(width, 4 * channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # what the convolutions then return has it too

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self._check(x, t, y)
        return self.body(x, self.embed(t, y))

    def embed(self, t: Tensor, y: Tensor) -> Tensor:
        """Times (B,) and labels (B,) -> their joint embedding (B, 2 width)."""
        return self.time(t) + self.label(y)

    def body(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The network proper, for an embedding (B, 2 width) that is known."""
        condition = silu(embedding)
        h = self.fold(pixel_unshuffle(x, 2))
        skips = []
        for block in self.down:
            skips.append(h := block(h, condition))
        h = self.shrink(h)
        for block in self.middle:
            h = block(h, condition)
        h = pixel_shuffle(self.grow(h), 2)
        for block in self.up:
            h = block(torch.cat([h, skips.pop()], dim=1), condition)
        return pixel_shuffle(self.unfold(silu(self.norm(h))), 2)

    def _check(self, x: Tensor, t: Tensor, y: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.channels or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"x must be (B, {self.channels}, H, W) with H and W multiples of 4, got {tuple(x.shape)}")
        if t.shape != x.shape[:1] or y.shape != x.shape[:1]:
            raise ValueError(f"t and y must be ({len(x)},), one an image, got {tuple(t.shape)} and {tuple(y.shape)}")


class ResBlock(nn.Module):
    """Two convolutions around a skip; the condition scales and shifts between them. The identity at the start."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = _zeroed(nn.Linear(condition, 2 * outputs))
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, outputs), _zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(silu(self.norm2(h) * (1 + gain) + bias))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention over the pixels of a feature map; the identity at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv, self.out = nn.Conv2d(width, 3 * width, 1), _zeroed(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        b, c, height, width = x.shape
        # Pixels become a sequence: (B, 3C, H, W) -> three of (B, heads, HW, C / heads).
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, self.heads, HEAD, height * width).transpose(3, 4).unbind(1)
        # Written out: for 49 pixels it is faster than the fused kernels, which are made for thousands.
        weights = (q @ k.transpose(2, 3) / HEAD**0.5).softmax(dim=-1)
        h = (weights @ v).transpose(2, 3).reshape(b, c, height, width)
        return x + self.out(h)


def _zeroed(layer: nn.Module) -> nn.Module:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
