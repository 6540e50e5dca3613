"""The convolutional networks between an image and its code.

As the U-Net of this course, they fold 2 x 2 pixels into channels and work at half and at quarter
resolution, where convolutions are cheap; but nothing passes by the code. A map keeps its places
(7 x 7 for 28 x 28 pixels), a vector is a map read by one linear layer.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu


class Encoder(nn.Sequential):
    """Images (B, channels, size, size) -> vectors (B, outputs)."""

    def __init__(self, channels: int, size: int, width: int, depth: int, outputs: int) -> None:
        places = (size // 4) ** 2
        super().__init__(
            MapEncoder(channels, width, depth, width // 2), nn.Flatten(), nn.Linear(width // 2 * places, outputs)
        )


class Decoder(nn.Sequential):
    """Vectors (B, inputs) -> features (B, outputs, size, size) of each pixel."""

    def __init__(self, inputs: int, size: int, width: int, depth: int, outputs: int) -> None:
        shape = (width // 2, size // 4, size // 4)
        super().__init__(
            nn.Linear(inputs, width // 2 * (size // 4) ** 2),
            nn.Unflatten(1, shape),
            MapDecoder(width // 2, width, depth, outputs),
        )


class MapEncoder(nn.Module):
    """Images (B, channels, H, W) -> maps (B, outputs, H / 4, W / 4)."""

    def __init__(self, channels: int, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.fold = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.fine = nn.Sequential(*(ResBlock(width) for _ in range(depth)))
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(*(ResBlock(2 * width) for _ in range(depth)))
        self.norm, self.out = nn.GroupNorm(1, 2 * width), nn.Conv2d(2 * width, outputs, 1)
        self.to(memory_format=torch.channels_last)  # what the convolutions then return has it too

    def forward(self, x: Tensor) -> Tensor:
        h = self.fine(self.fold(pixel_unshuffle(x, 2)))
        h = self.coarse(self.shrink(h))
        return self.out(silu(self.norm(h)))


class MapDecoder(nn.Module):
    """Maps (B, inputs, H / 4, W / 4) -> features (B, outputs, H, W) of each pixel."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(inputs, 2 * width, 1)
        self.coarse = nn.Sequential(*(ResBlock(2 * width) for _ in range(depth)))
        self.grow = nn.Conv2d(2 * width, 4 * width, 1)
        self.fine = nn.Sequential(*(ResBlock(width) for _ in range(depth)))
        self.norm, self.unfold = nn.GroupNorm(1, width), nn.Conv2d(width, 4 * outputs, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        h = self.coarse(self.widen(z))
        h = self.fine(pixel_shuffle(self.grow(h), 2))
        return pixel_shuffle(self.unfold(silu(self.norm(h))), 2)


class ResBlock(nn.Module):
    """Two convolutions around a skip; the identity at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.conv1 = nn.GroupNorm(1, width), nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(silu(self.conv1(silu(self.norm(x)))))


def check_images(x: Tensor, channels: int, size: int) -> None:
    """Refuse images that a model of (channels, size, size) was not built for.

    Raises
    ------
    ValueError
    """
    if x.shape[1:] != (channels, size, size):
        raise ValueError(f"images must be (B, {channels}, {size}, {size}), got {tuple(x.shape)}")


def check_sizes(channels: int, size: int, width: int, depth: int) -> None:
    """Refuse networks that cannot be built.

    Raises
    ------
    ValueError
    """
    if min(channels, size, width, depth) < 1 or size % 4 or width % 2:
        raise ValueError(
            "channels, size, width and depth must be at least 1, size a multiple of 4, since it is halved twice, "
            f"and width even; got {channels}, {size}, {width}, {depth}"
        )
