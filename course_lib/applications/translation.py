"""What does this place look like by night?

Pairs of a source y and a target x show what goes with what. If y determined x, any model that fits would do. It
does not: a plain may be lit or dark, and what a model answers then depends on what it was asked for:

    least squares      E[x | y], the mean of all nights that could be: a haze of light, right on average
    least deviation    the median: dark wherever lights are rarer than one night in two
    a draw             one night out of p(x | y): lights that may be in the wrong place, but are lights

This file holds the two regressions; `pix2pix` and `bridge` draw. All of them share one network that is shown the
source, something to start from and a time, and always answers with a target. They differ in what they show it and in
what they pay it for, so that a comparison compares the question asked.

Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks, section 3.1.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss, pixel_shuffle, pixel_unshuffle

from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.model import Model
from course_lib.nn.unet import UNet

SIDE = 32  # pixels: larger pictures are folded until about this is left


class SourceUNet(nn.Module):
    """(x, t, source) -> a prediction of x's shape: the lean U-Net, with the source as further channels.

    Parameters
    ----------
    channels : int
        Of the target and of the source.
    width, depth : int
        Of the U-Net.
    fold : int
        Squares of fold x fold pixels become channels first.
    """

    def __init__(self, channels: int, width: int, depth: int, fold: int) -> None:
        super().__init__()
        self.channels, self.fold = channels, fold
        self.net = UNet(2 * channels * fold**2, width, depth, classes=1)

    def forward(self, x: Tensor, t: Tensor, source: Tensor) -> Tensor:
        both = pixel_unshuffle(torch.cat([x, source], dim=1), self.fold)
        unlabelled = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        return pixel_shuffle(self.net(both, t, unlabelled), self.fold)[:, : self.channels]


class Translator(Model):
    """A model of targets x, given sources y: batches of `course_lib.data.Pairs`.

    Parameters
    ----------
    channels : int
        Of the target and of the source.
    size : int
        Pixels a side in training, a multiple of 4; from 64 on of 4 for each 32. Larger pictures can be translated, too.
    width, depth : int
        Of the network (`SourceUNet`).
    keep : float
        How much of the source an answer begins with: 0 where source and target are unlike, 1 where the network
        should only learn what to add, as in super-resolution (Kim et al. 2016, VDSR).
    """

    def __init__(self, channels: int = 3, size: int = SIDE, width: int = 32, depth: int = 1, keep: float = 0.0) -> None:
        fold = max(1, size // SIDE)
        if channels < 1 or size < 4 or size % (4 * fold):
            raise ValueError(
                f"size must be a multiple of {4 * fold} and channels at least 1, got {size} and {channels}"
            )
        super().__init__(channels=channels, size=size, width=width, depth=depth, keep=keep)
        self.fold, self.keep = fold, keep
        self.net = SourceUNet(channels, width, depth, self.fold)

    def answer(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The target for a start x, times t (B,) and sources y, float32."""
        target = self.net(x, t, y).float()
        return self.keep * y + target if self.keep else target

    @torch.no_grad()
    def predict(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """`answer` without gradients, in the precision that fits the device; t is () or (B,)."""
        with precision(x.device).autocast(x.device):
            return self.answer(x, t.expand(len(x)), y)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        self.check_source(batch.y, len(batch.x))
        if batch.x.shape != batch.y.shape:
            raise ValueError(
                f"targets must have the shape of their sources {tuple(batch.y.shape)}, got {tuple(batch.x.shape)}"
            )
        if batch.x.abs().max() > 2:
            raise ValueError(f"images must lie in about [-1, 1], got values up to {float(batch.x.abs().max()):.3g}")

    def begin(self, n: int, y: Tensor | None, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sources and noise to start from: those given, checked, or grey pictures and fresh noise.

        Raises
        ------
        ValueError
            If they do not fit `n` pictures of this model.
        """
        size, channels = self.config["size"], self.config["channels"]
        y = torch.zeros(n, channels, size, size, device=self.device) if y is None else y
        self.check_source(y, n)
        noise = torch.randn(y.shape, device=self.device) if noise is None else noise
        if n < 1 or noise.shape != y.shape:
            raise ValueError(f"noise must be {tuple(y.shape)} with at least one image, got {tuple(noise.shape)}")
        if y.device != self.device or noise.device != self.device:
            raise ValueError(f"the model is on {self.device}, but y is on {y.device} and the noise on {noise.device}")
        self.eval()
        return y, noise

    def check_source(self, y: Tensor, n: int) -> None:
        shape, least = (n, self.config["channels"]), 4 * self.fold
        if y.ndim != 4 or y.shape[:2] != shape or y.shape[2] % least or y.shape[3] % least or not y.is_floating_point():
            raise ValueError(
                f"sources must be float ({n}, {shape[1]}, H, W) in [-1, 1], one for each image, with H and W "
                f"multiples of {least}; got {y.dtype} {tuple(y.shape)}"
            )


class Regression(Translator):
    """A function of the source: the same answer every time. Parameters as `Translator`."""

    def regress(self, y: Tensor) -> Tensor:
        """The answer with nothing to start from (x = 0), at the time of pure noise (t = 1)."""
        return self.answer(torch.zeros_like(y), y.new_ones(len(y)), y)

    def sample(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        """Translate sources y (n, channels, H, W) in one step; yields the pictures, of the same shape."""
        y, _ = self.begin(n, y, None)
        yield self.predict(torch.zeros_like(y), torch.ones((), device=y.device), y)


class MeanRegression(Regression):
    """Least squares: learns the mean of the targets that go with a source."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": mse_loss(self.regress(batch.y), batch.x)}


class MedianRegression(Regression):
    """Least absolute deviation (L1): learns the median of each pixel and channel."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": l1_loss(self.regress(batch.y), batch.x)}
