"""The judge of Fashion-MNIST: a small classifier's 128 features, in which classes, cuts and textures differ.

Its features are scaled to a total variance of 20 over the training images. Real images that lack one
of the ten classes are then at 0.58 on average (0.20 without shirts, 1.54 without trousers), and all of
them, blurred by a mean over 5 x 5 pixels, at 8.8.
"""

import functools

from torch import Tensor

from course_lib.data.fashion import fashion
from course_lib.features.judging import compare, pinned, shipped_statistics
from course_lib.features.net import FeatureNet
from course_lib.metrics import Score, Statistics, embed

NAME = "fashion_features"
# Distances compare only under the very same features, so the course pins them.
SHA256 = "bc06e3e22524d9adc11eb60fe2b3555f83acc652fc4568299d2f3d9c03afc1d1"
REFERENCE = "fashion_reference"


@functools.cache
def fashion_features() -> FeatureNet:
    """The course's judge of Fashion-MNIST, on the CPU: images (N, 1, 28, 28) in [-1, 1] -> (N, 128).

    Raises
    ------
    ValueError
        If its weights are not those that the course's numbers were measured with.
    """
    return pinned(NAME, SHA256)


@functools.cache
def fashion_reference() -> Statistics:
    """Feature statistics of the 55,000 training images that are not bundled."""
    return shipped_statistics(REFERENCE)


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
    return compare(images, fashion_features(), fashion_reference(), _held_out())
