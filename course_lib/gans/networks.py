"""The generator and the discriminator of small images.

Both work at half and at quarter resolution and touch the pixels once, folding 2 x 2 of them into channels
or back: convolutions at full resolution would take most of the time and add little at 28 pixels.

The generator hears of the noise and the label in each block, as a gain and a bias on its channels; the
residual blocks are those of the U-Net. The discriminator has no normalisation at all: one that mixes the
images of a batch would tie the gradient of one image to the others, which the penalty must not see.
The label enters its score by projection (Miyato & Koyama 2018, eq. 3): f(x, y) = (w + v_y) . phi(x).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_shuffle, pixel_unshuffle, silu

from course_lib.nn.unet import GROUPS, ResBlock

SLOPE = 0.2  # of the leaky rectifiers


class Generator(nn.Module):
    """(z, y) -> images (B, channels, size, size) in [-1, 1].

    Parameters
    ----------
    channels, size : int
        Of the images; size is a multiple of 4.
    width : int
        Features at half resolution; twice as many at quarter resolution.
    latent : int
        Dimensions of z.
    classes : int
        Labels 0..classes-1.
    """

    def __init__(self, channels: int, size: int, width: int, latent: int, classes: int) -> None:
        super().__init__()
        dim, self.start = 2 * width, (2 * width, size // 4, size // 4)
        self.label = nn.Embedding(classes, latent)
        self.style = nn.Sequential(nn.Linear(2 * latent, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.seed = nn.Linear(2 * latent, 2 * width * (size // 4) ** 2)
        self.coarse = nn.ModuleList(ResBlock(2 * width, 2 * width, dim) for _ in range(2))
        self.grow = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.fine = nn.ModuleList(ResBlock(width, width, dim) for _ in range(2))
        self.norm = nn.GroupNorm(GROUPS, width)
        self.unfold = nn.Conv2d(width, 4 * channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        code = torch.cat([z, self.label(y)], dim=1)
        condition = silu(self.style(code))
        h = self.seed(code).unflatten(1, self.start).contiguous(memory_format=torch.channels_last)
        for block in self.coarse:
            h = block(h, condition)
        h = pixel_shuffle(self.grow(h), 2)
        for block in self.fine:
            h = block(h, condition)
        return pixel_shuffle(self.unfold(silu(self.norm(h))), 2).tanh()


class Discriminator(nn.Module):
    """(images, y) -> scores (B,); the parameters are the generator's."""

    def __init__(self, channels: int, size: int, width: int, classes: int) -> None:
        super().__init__()
        dim = 2 * width
        self.fold = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.fine = nn.ModuleList(Residual(width) for _ in range(1))
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(Residual(2 * width) for _ in range(2))
        self.features = nn.Linear(2 * width * (size // 4) ** 2, dim)
        self.label, self.score = nn.Embedding(classes, dim), nn.Linear(dim, 1, bias=False)
        nn.init.normal_(self.label.weight, std=dim**-0.5)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.fold(pixel_unshuffle(x, 2))
        for block in self.fine:
            h = block(h)
        h = self.shrink(leaky_relu(h, SLOPE))
        for block in self.coarse:
            h = block(h)
        h = leaky_relu(self.features(leaky_relu(h, SLOPE).flatten(1)), SLOPE)
        return self.score(h)[:, 0] + (h * self.label(y)).sum(dim=1)


class Residual(nn.Module):
    """Two convolutions around a skip, without normalisation; the identity at the start.

    A block that begins as the identity keeps the size of the features through any depth, which is
    what normalisation is otherwise for (Zhang et al. 2019, Fixup; used by Huang et al. 2024).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(leaky_relu(self.conv1(leaky_relu(x, SLOPE)), SLOPE))
