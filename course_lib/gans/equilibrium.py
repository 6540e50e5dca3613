"""Can the discriminator still tell?

At the equilibrium of the game the generated images are distributed like the real ones, and no score can
tell them apart: of a real and a generated image, the real one scores higher half of the time. On the way
there the accuracy says who is ahead; on images that it was not trained on, whether it learned what is
real or which images are.

A fixed score, so the distance between the two sets has to be measured as well: an accuracy of one half
can also mean a discriminator that knows nothing.
"""

import torch
from torch import Tensor

from course_lib.gans.gan import Gan
from course_lib.metrics import auroc
from course_lib.model import last


@torch.no_grad()
def accuracy(gan: Gan, x: Tensor, y: Tensor) -> float:
    """How often the discriminator scores a real image above a generated one of the same labels.

    Over all pairs, which is the area under the ROC curve of its scores.

    Parameters
    ----------
    gan : Gan
    x : Tensor, (N, ...)
        Real images, on the model's device.
    y : Tensor, int64, (N,)
        Their labels; as many images are generated.

    Returns
    -------
    float
        In [0, 1]; 1/2 is chance, 1 always right.
    """
    fake = last(gan.sample(len(x), y))
    scores = torch.cat([gan.scores(x, y), gan.scores(fake, y)])
    return auroc(scores.cpu(), torch.arange(2 * len(x)) < len(x))
