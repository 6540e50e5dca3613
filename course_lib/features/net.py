"""A classifier of small images whose last hidden layer says what an image looks like."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from course_lib.data.images import Batch
from course_lib.model import Model


class FeatureNet(Model):
    """A convolutional classifier whose last hidden layer serves as features.

    Parameters
    ----------
    channels, classes : int
        Of the images and of the labels.
    dim : int
        Features an image.
    """

    def __init__(self, channels: int = 1, classes: int = 10, dim: int = 128) -> None:
        super().__init__(channels=channels, classes=classes, dim=dim)
        self.conv14a = nn.Conv2d(channels, 32, 5, stride=2, padding=2)
        self.conv14b = nn.Conv2d(32, 64, 3, padding=1)
        self.conv7a = nn.Conv2d(64, dim, 3, stride=2, padding=1)
        self.conv7b = nn.Conv2d(dim, dim, 3, padding=1)
        self.classify = nn.Linear(dim, classes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, channels, H, W) in [-1, 1] -> features (N, dim)."""
        if x.ndim != 4 or x.shape[1] != self.config["channels"]:
            raise ValueError(f"images must be (N, {self.config['channels']}, H, W), got {tuple(x.shape)}")
        h = relu(self.conv14b(relu(self.conv14a(x))))
        return self.scale * relu(self.conv7b(relu(self.conv7a(h)))).mean(dim=(2, 3))

    def logits(self, x: Tensor) -> Tensor:
        return self.classify(self(x) / self.scale)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.logits(batch.x)
        right = (logits.argmax(dim=1) == batch.y).float().mean()
        return {"loss": cross_entropy(logits.float(), batch.y, label_smoothing=0.05), "accuracy": right}

    def sample(self, n: int):
        raise ValueError("a feature net draws no images: it judges them")
