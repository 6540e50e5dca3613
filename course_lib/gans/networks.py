"""The generator and the discriminator of small images.

Both work at half and at quarter resolution and touch the pixels once, folding 2 x 2 of them into channels
or back: convolutions at full resolution would take most of the time and add little at 28 pixels.

The generator normalises each channel over the batch, so that within a batch its features have to differ:
a step towards drawing one picture only is a step against the normalisation. Normalised image by image, it
covered far less of the data. The discriminator has no normalisation at all: one that mixes the images of a
batch would tie the gradient of one image to the others, which the penalty must not see.

The label enters the generator beside the noise, and the score by projection (Miyato & Koyama 2018, eq. 3):
f(x, y) = (w + v_y) . phi(x). The layout is that of DCGAN (Radford et al. 2016).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_shuffle, pixel_unshuffle

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
        self.start = (2 * width, size // 4, size // 4)
        self.label = nn.Embedding(classes, latent)
        self.seed = nn.Linear(2 * latent, 2 * width * (size // 4) ** 2, bias=False)
        self.coarse = nn.Sequential(Normalised(2 * width), _conv(2 * width, 2 * width), Normalised(2 * width))
        self.grow = _conv(2 * width, 4 * width)
        self.fine = nn.Sequential(Normalised(width), _conv(width, width), Normalised(width))
        self.unfold = nn.Conv2d(width, 4 * channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        h = self.seed(torch.cat([z, self.label(y)], dim=1)).unflatten(1, self.start)
        h = self.coarse(h.contiguous(memory_format=torch.channels_last))
        h = self.fine(pixel_shuffle(self.grow(h), 2))
        return pixel_shuffle(self.unfold(h), 2).tanh()


class Normalised(nn.Sequential):
    """Each channel with mean 0 and variance 1 over the batch, a gain, a bias and a leaky rectifier."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)  # the normalisation after it has a bias


class Discriminator(nn.Module):
    """(images, y) -> scores (B,); the parameters are the generator's."""

    def __init__(self, channels: int, size: int, width: int, classes: int) -> None:
        super().__init__()
        dim = 2 * width
        self.fold = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.fine = Residual(width)
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(Residual(2 * width), Residual(2 * width))
        self.features = nn.Linear(2 * width * (size // 4) ** 2, dim)
        self.label, self.score = nn.Embedding(classes, dim), nn.Linear(dim, 1, bias=False)
        nn.init.normal_(self.label.weight, std=dim**-0.5)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.fine(self.fold(pixel_unshuffle(x, 2)))
        h = self.coarse(self.shrink(leaky_relu(h, SLOPE)))
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
