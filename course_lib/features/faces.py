"""The judge of faces: a network that reads every attribute of a pixel-art face.

The faces are drawn from attributes that we know, so the judge can be trained on as many as it needs
and asked what a generated face shows: long hair or short, a hat or none, which skin. It learns the
single values (45 hairs, 23 mouths), so that its features tell shapes and colours apart; what it reads
are their groups, the sum of their probabilities.

Its features are scaled to a total variance of 20 over real faces. Real faces without one of the two
groups of hair, mouths, hats or earrings are then at 0.9 on average (0.4 without bare ears, 1.2 without
long hair), without one of the eight skins at 0.15, and all of them, blurred by a mean over 3 x 3 pixels,
at 12. Two colours cannot be read well from 16 x 16 pixels by anyone: that of eyes is a hint of a few grey
levels, that of hair may be under a hat.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pixel_unshuffle, relu

from course_lib.data.faces import OPTIONAL, faces, group_of, groups, names
from course_lib.data.images import Batch
from course_lib.features.judging import compare, pinned, shipped_statistics
from course_lib.metrics import Score, Statistics, embed
from course_lib.metrics.doors import checked_images
from course_lib.model import Model

NAME = "faces_attributes"
# Distances compare only under the very same features, so the course pins them.
SHA256 = "52489929ece2bab14b5ce84eaa2e72ba8d168186c136ee2910a0ae143d569222"
REFERENCE = "faces_reference"
UNSEEN = -100
HELD, HELD_SEED = 5_000, 3  # other faces than the splits' (seeds 0 and 1), the training's and the reference's


class AttributeNet(Model):
    """A convolutional classifier of all attributes at once, whose last hidden layer serves as features.

    Parameters
    ----------
    width : int
        Channels of its convolutions.
    dim : int
        Features an image.
    """

    def __init__(self, width: int = 64, dim: int = 128) -> None:
        super().__init__(width=width, dim=dim)
        self.conv8a = nn.Conv2d(12, width, 3, padding=1)
        self.conv8b = nn.Conv2d(width, width, 3, padding=1)
        self.conv4 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.mix = nn.Linear(width * 4 * 4, dim)  # no mean over places: eyes are eyes because of where they are
        self.classify = nn.Linear(dim, sum(map(len, names().values())))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Faces (N, 3, 16, 16) in [-1, 1] -> features (N, dim)."""
        if x.ndim != 4 or x.shape[1:] != (3, 16, 16):
            raise ValueError(
                f"faces must be (N, 3, 16, 16), got {tuple(x.shape)}: avg_pool2d(x, 2) brings 32 x 32 pixels to 16 x 16"
            )
        h = relu(self.conv8b(relu(self.conv8a(pixel_unshuffle(x, 2)))))
        return self.scale * relu(self.mix(relu(self.conv4(h)).flatten(1)))

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Attribute -> a logit (N, V) for each of its values."""
        parts = self.classify(self(x) / self.scale).split([len(values) for values in names().values()], dim=1)
        return dict(zip(names(), parts))

    def read(self, x: Tensor) -> dict[str, Tensor]:
        """Attribute -> the most likely group (N,), for each attribute that has more than one."""
        return {
            name: grouped(name, part).argmax(dim=1) for name, part in self.logits(x).items() if len(groups(name)) > 1
        }

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, the mean over the attributes; y (N, A) as `faces(...).attributes`."""
        logits, target = self.logits(batch.x), visible(batch.y)
        losses, right = zip(*(_judged(logits[name], target[name]) for name in names()))
        return {"loss": torch.stack(losses).mean(), "accuracy": torch.stack(right).mean()}

    def sample(self, n: int):
        raise ValueError("an attribute net draws no faces: it reads them")


def visible(attributes: Tensor) -> dict[str, Tensor]:
    """Attribute -> its values (N,), or `UNSEEN` where it is the colour of something that is not worn."""
    values = dict(zip(names(), attributes.unbind(1)))
    for slot in OPTIONAL:
        values[f"{slot} colour"] = values[f"{slot} colour"].masked_fill(values[slot] == 0, UNSEEN)
    return values


def _judged(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    # cross-entropy and accuracy over what can be seen, which in a small batch may be nothing
    seen = (target != UNSEEN).sum().clamp(min=1)
    loss = cross_entropy(logits.float(), target, ignore_index=UNSEEN, reduction="sum")
    return loss / seen, (logits.argmax(dim=1) == target).sum() / seen


def grouped(name: str, logits: Tensor) -> Tensor:
    """Logits (N, V) of an attribute's values -> probabilities (N, G) of its groups."""
    probability = logits.float().softmax(dim=1)
    empty = probability.new_zeros(len(logits), len(groups(name)))
    return empty.index_add(1, group_of(name).to(logits.device), probability)


@functools.cache
def faces_attributes() -> AttributeNet:
    """The course's judge of faces, on the CPU: images (N, 3, 16, 16) in [-1, 1] -> (N, 128).

    Raises
    ------
    ValueError
        If its weights are not those that the course's numbers were measured with.
    """
    return pinned(NAME, SHA256)


@functools.cache
def faces_reference() -> Statistics:
    """Feature statistics of 50,000 freshly drawn faces."""
    return shipped_statistics(REFERENCE)


@functools.cache
def _held_out() -> Tensor:
    return embed(faces(HELD, seed=HELD_SEED).x, faces_attributes())


def read_faces(images: Tensor) -> dict[str, Tensor]:
    """What do these faces show?

    Parameters
    ----------
    images : Tensor, float, (N, 3, 16, 16) in [-1, 1]
        Real ones or generated ones; what lies beyond [-1, 1] is clipped.

    Returns
    -------
    dict of str to Tensor, int64, (N,) on the CPU
        Attribute -> index into its `groups`, for the 13 attributes that have more than one. The colour
        of something that is not worn is a guess without meaning.

    Raises
    ------
    ValueError
        If these are no such images.

    Examples
    --------
    >>> read_faces(faces(3, seed=0).x)["hat"]
    tensor([1, 1, 0])
    """
    checked_images(images, "images")
    with torch.no_grad():
        parts = [faces_attributes().read(part.cpu().float().clamp(-1, 1)) for part in images.split(500)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def faces_score(images: Tensor) -> Score:
    """Compare generated faces with real ones, without a network at hand.

    The reference is 50,000 faces; the floor, precision and recall come from as many of 5,000 others.
    None of them is in the data set's splits.

    Parameters
    ----------
    images : Tensor, float, (n, 3, 16, 16) in [-1, 1], 129 <= n <= 5,000

    Raises
    ------
    ValueError
        If there are too few images or too many, or their range is wrong.
    """
    return compare(images, faces_attributes(), faces_reference(), _held_out())
