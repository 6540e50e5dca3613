"""What do two sets of images have in common, in the eyes of a network?

Distances between sets of images are taken between features, not pixels. The usual choice, an
ImageNet network, is 90 MB, lives on a host that may vanish, and was made for photographs. Ours is
a small classifier of Fashion-MNIST that ships with the course: 128 features, in which classes, cuts
and textures differ. Distances in it are comparable with each other, not with published FIDs.

The unit of such a distance is free. Ours is set by scaling the features to a total variance of 20 over
the training images. Real images that lack one of the ten classes are then at 0.58 on average (0.20
without shirts, 1.54 without trousers), and all of them, blurred by a mean over 5 x 5 pixels, at 8.8.
"""

import functools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from course_lib import checkpoints
from course_lib.data.fashion import fashion
from course_lib.data.images import Batch
from course_lib.metrics import Score, Statistics, embed, frechet_distance, precision_recall
from course_lib.model import Model

NAME = "fashion_features"
# Distances compare only under the very same features, so the course pins them.
SHA256 = "bc06e3e22524d9adc11eb60fe2b3555f83acc652fc4568299d2f3d9c03afc1d1"
TOTAL_VARIANCE = 20.0


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


@functools.cache
def fashion_features() -> FeatureNet:
    """The course's judge of Fashion-MNIST, on the CPU: images (N, 1, 28, 28) in [-1, 1] -> (N, 128).

    Raises
    ------
    ValueError
        If its weights are not those that the course's numbers were measured with.
    """
    if checkpoints.info(NAME)["sha256"] != SHA256:
        raise ValueError(f"{NAME} is not the feature net of this version: its distances would not compare with others")
    return checkpoints.pretrained(NAME).requires_grad_(False)


@functools.cache
def fashion_reference() -> Statistics:
    """Feature statistics of the 55,000 training images that are not bundled."""
    with np.load(str(checkpoints.WEIGHTS / "fashion_reference.npz")) as file:
        mean, cov, n = (torch.from_numpy(file[name]) for name in ("mean", "cov", "n"))
    return Statistics(mean, cov, int(n))


@functools.cache
def _held_out() -> Tensor:
    return embed(fashion("train").x, fashion_features())


def fashion_score(images: Tensor) -> Score:
    """Compare generated clothes with real ones, without a network at hand.

    The reference is 55,000 real images; the floor, precision and recall come from as many of the 5,000
    bundled ones, which are not among them.

    Parameters
    ----------
    images : Tensor, float, (n, 1, 28, 28) in [-1, 1], 129 <= n <= 5,000

    Raises
    ------
    ValueError
        If there are too few images or too many, or their range is wrong.
    """
    held, net = _held_out(), fashion_features()
    if not net.config["dim"] < len(images) <= len(held):
        raise ValueError(
            f"{net.config['dim'] + 1} to {len(held)} images can be scored, got {len(images)}: of fewer the covariance "
            "is singular, and for more there is no floor at the same n"
        )
    fake, real = embed(images.cpu(), net), held[torch.randperm(len(held), generator=torch.Generator().manual_seed(0))]
    n, reference = len(fake), fashion_reference()
    distance, floor = frechet_distance(reference, fake), frechet_distance(reference, real[:n])
    return Score(distance, floor, distance - floor, *precision_recall(real[:n], fake), n)
