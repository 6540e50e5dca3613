"""What all image models of this family share: a U-Net that knows labels, and how a sample begins."""

import torch
from torch import Tensor

from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.diffusion.guidance import Prediction
from course_lib.model import Model
from course_lib.nn.unet import UNet


class ConditionalModel(Model):
    """A network (x_t, t, y) -> prediction, with labels that are sometimes hidden in training.

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width, depth : int
        Of the U-Net.
    classes : int
        Labels 0..classes-1; the label `classes` means "any".
    drop : float
        Share of the labels that are hidden in training, in [0, 1]: with them the model learns to draw
        without a label, which guidance needs.
    """

    def __init__(
        self, channels: int = 1, size: int = 28, width: int = 64, depth: int = 2, classes: int = 10, drop: float = 0.1
    ) -> None:
        if size % 4 or not 0 <= drop <= 1:
            raise ValueError(f"size must be a multiple of 4 and drop in [0, 1], got {size} and {drop}")
        super().__init__(channels=channels, size=size, width=width, depth=depth, classes=classes, drop=drop)
        self.net = UNet(channels, width, depth, classes)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        c, size, classes = (self.config[name] for name in ("channels", "size", "classes"))
        if batch.x.shape[1:] != (c, size, size):
            raise ValueError(f"images must be (B, {c}, {size}, {size}), got {tuple(batch.x.shape)}")
        if batch.x.abs().max() > 2:
            raise ValueError(f"images must lie in about [-1, 1], got values up to {float(batch.x.abs().max()):.3g}")
        _check_labels(batch.y, len(batch.x), classes)

    def hide(self, y: Tensor) -> Tensor:
        """Some of the labels replaced by "any"."""
        hidden = torch.rand(y.shape, device=y.device) < self.config["drop"]
        return y.masked_fill(hidden, self.config["classes"])

    def any_of(self, y: Tensor) -> Tensor:
        """As many labels "any"."""
        return torch.full_like(y, self.config["classes"])

    def predictor(self, y: Tensor) -> Prediction:
        """What the network answers for given labels, as a function (x, t) -> float32; t is () or (B,)."""
        mode = precision(y.device)

        def predict(x: Tensor, t: Tensor) -> Tensor:
            with mode.autocast(x.device):
                return self.net(x, t.expand(len(x)), y).float()

        return predict

    def begin(self, n: int, y: Tensor | None, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Labels and noise to start from: those given, checked, or classes in turn and fresh noise.

        Raises
        ------
        ValueError
            If the labels or the noise do not fit `n` images of this model.
        """
        shape = (n, self.config["channels"], self.config["size"], self.config["size"])
        classes = self.config["classes"]
        y = torch.arange(n, device=self.device) % classes if y is None else y
        noise = torch.randn(shape, device=self.device) if noise is None else noise
        if n < 1 or noise.shape != shape:
            raise ValueError(f"noise must be {shape} with at least one image, got {tuple(noise.shape)}")
        if y.device != self.device or noise.device != self.device:
            raise ValueError(f"the model is on {self.device}, but y is on {y.device} and the noise on {noise.device}")
        _check_labels(y, n, classes)
        self.eval()
        return y, noise


def _check_labels(y: Tensor, n: int, classes: int) -> None:
    if y.shape != (n,) or y.dtype != torch.int64:
        raise ValueError(f"y must be ({n},) int64 labels, one an image, got {y.dtype} {tuple(y.shape)}")
    if not ((0 <= y) & (y <= classes)).all():
        raise ValueError(f"labels must be in 0..{classes - 1}, or {classes} for any class, got {y.min()}..{y.max()}")
