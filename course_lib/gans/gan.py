"""Two networks that play against each other.

The generator turns Gaussian noise z into an image. The discriminator scores images, real and generated.
Each is the other's loss function: what one learns, the other has to answer. There is no likelihood, no
reconstruction, and nothing that says which noise belongs to which image; that is why a GAN's images are
sharp, and why its training has to be watched (equilibrium.py).

Goodfellow et al. 2014, Generative Adversarial Nets.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.gans.games import Game
from course_lib.gans.latent import truncated
from course_lib.model import Model, Objective, check_labels


class Gan(Model):
    """A generator and a discriminator, and the game that they play.

    Parameters
    ----------
    generator : Module
        (z (B, latent), labels (B,)) -> images.
    discriminator : Module
        (images, labels (B,)) -> scores (B,).
    game : Game
        One of `course_lib.gans.games`. It matters in training only, and is no part of a checkpoint.
    latent, classes : int
        Dimensions of the noise; labels are 0..classes-1.
    config : dict
        What the subclass was built from.
    share : float
        Part of each batch on which the penalty is taken, in (0, 1]. A penalty costs two more passes in
        float32; on an eighth of each batch it costs what a "lazy" one costs on every eighth, without its jolts.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        game: Game,
        *,
        latent: int,
        classes: int,
        config: dict,
        share: float = 1.0,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share}: without penalised images the slope is free")
        super().__init__(**config)
        self.generator, self.discriminator, self.game = generator, discriminator, game
        self.latent, self.classes, self.share = latent, classes, share

    def objectives(self) -> list[Objective]:
        return [
            Objective("discriminator", self.discriminator_loss, list(self.discriminator.parameters())),
            Objective("generator", self.generator_loss, list(self.generator.parameters())),
        ]

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What it pays on real images and on as many generated ones, which it cannot change.

        "accuracy" is the share of pairs in which the real image has the higher score: 1/2 is chance.
        """
        x, y = batch
        with torch.no_grad():
            fake = self.generate(y)
        real_scores, fake_scores = self.scores(torch.cat([x, fake]), torch.cat([y, y])).chunk(2)
        few = slice(math.ceil(self.share * len(x)))
        penalty = self.game.penalty(self.discriminator, x[few], fake[few], y[few])
        return {
            "loss": self.game.discriminator(real_scores, fake_scores) + self.game.weight * penalty,
            "penalty": penalty,
            "accuracy": (real_scores > fake_scores).float().mean(),
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What it pays for the scores of its images, which it changes through them."""
        x, y = batch
        with torch.no_grad():
            real_scores = self.scores(x, y)
        return {"loss": self.game.generator(real_scores, self.scores(self.generate(y), y))}

    def generate(self, y: Tensor, noise: Tensor | None = None) -> Tensor:
        """One image a label, float32, from the noise given or from fresh noise."""
        noise = torch.randn(len(y), self.latent, device=y.device) if noise is None else noise
        return self.generator(noise, y).float()

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        return self.discriminator(x, y).float()

    def sample(
        self, n: int, y: Tensor | None = None, *, truncation: float = math.inf, noise: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Draw images in one step.

        Parameters
        ----------
        n : int
            How many.
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        truncation : float
            No component of the noise beyond this many standard deviations: images closer to the typical
            one, and closer to each other.
        noise : Tensor, (n, latent), optional
            Where to start; drawn from torch's generator if not given.

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The images, in [-1, 1]: there is nothing on the way.
        """
        y, noise = self.begin(n, y, noise)
        with torch.no_grad(), precision(self.device).autocast(self.device):
            images = self.generate(y, truncated(noise, truncation))
        yield images

    def begin(self, n: int, y: Tensor | None, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Labels and noise to start from: those given, checked, or classes in turn and fresh noise.

        Raises
        ------
        ValueError
            If the labels or the noise do not fit `n` images of this model.
        """
        shape = (n, self.latent)
        y = torch.arange(n, device=self.device) % self.classes if y is None else y
        noise = torch.randn(shape, device=self.device) if noise is None else noise
        if n < 1 or noise.shape != shape:
            raise ValueError(f"noise must be {shape} with at least one image, got {tuple(noise.shape)}")
        if y.device != self.device or noise.device != self.device:
            raise ValueError(f"the model is on {self.device}, but y is on {y.device} and the noise on {noise.device}")
        check_labels(y, n, self.classes)
        self.eval()
        return y, noise

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_labels(batch.y, len(batch.x), self.classes)
