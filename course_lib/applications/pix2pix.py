"""A judge who sees source and target together.

pix2pix asks for two things at once: be near the target (L1), and be such that a critic, who is shown the source
beside the picture, cannot tell it from the true one. L1 settles the coarse, the critic demands what L1 averages
away: edges, texture, lights. The critic scores patches, not pictures: what it should see is local, and a picture
holds many patches to learn from.

We depart from the paper in the game: the relativistic one with penalised slopes, which is stable without tricks
(`course_lib.gans.games`), and in the weight of L1, which there is 100. Where nearly all of a picture is dark, as
by night, L1 with such a weight outvotes any critic, and the generator draws black.

Isola et al. 2017, eqs. 1-4 and section 3.2.2.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu, pixel_unshuffle

from course_lib.applications.translation import Translator
from course_lib.data.images import Batch
from course_lib.gans.games import Game, relativistic
from course_lib.gans.networks import SLOPE, Residual
from course_lib.model import Objective

R3GAN = replace(relativistic, weight=0.3)
CRITIC = 24  # its width
SHARE = 1 / 8  # of each batch pays the penalty, which costs two more passes in float32


class PatchCritic(nn.Module):
    """(pictures, what is shown beside them) -> a score for each patch, (B, patches).

    Parameters
    ----------
    channels : int
        Of both together.
    width : int
        Features at half resolution; twice as many at quarter resolution, where a patch is a pixel.
    fold : int
        Squares of fold x fold pixels become channels first.
    """

    def __init__(self, channels: int, width: int, fold: int = 1) -> None:
        super().__init__()
        self.fold = 2 * fold
        self.enter = nn.Conv2d(channels * self.fold**2, width, 3, padding=1)
        self.fine = Residual(width)
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse, self.score = Residual(2 * width), nn.Conv2d(2 * width, 1, 1, bias=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        h = self.fine(self.enter(pixel_unshuffle(torch.cat([x, beside], dim=1), self.fold)))
        h = self.coarse(self.shrink(leaky_relu(h, SLOPE)))
        return self.score(leaky_relu(h, SLOPE)).flatten(1).float()


def critic_loss(game: Game, critic: PatchCritic, real: Tensor, fake: Tensor, beside: Tensor) -> dict[str, Tensor]:
    """What the critic pays, patch against patch at the same place, with the penalty on a part of the batch.

    "accuracy" is the share of patches where the real one has the higher score: 1/2 is chance.
    """
    fake = fake.detach()
    scores = [critic(x, beside).flatten() for x in (real, fake)]
    few = slice(math.ceil(SHARE * len(real)))
    penalty = game.penalty(_typical(critic), real[few], fake[few], beside[few])
    return {
        "loss": game.discriminator(*scores) + game.weight * penalty,
        "penalty": penalty,
        "accuracy": (scores[0] > scores[1]).float().mean(),
    }


def fooling_loss(game: Game, critic: PatchCritic, real: Tensor, fake: Tensor, beside: Tensor) -> Tensor:
    """What the generator pays for the scores of its pictures, which it changes through them."""
    with torch.no_grad():
        real_scores = critic(real, beside).flatten()
    return game.generator(real_scores, critic(fake, beside).flatten())


def _typical(critic: PatchCritic):
    """A score a picture whose squared slope is that of a typical patch: for P independent ones, sum / sqrt(P)."""

    def score(x: Tensor, beside: Tensor) -> Tensor:
        scores = critic(x, beside)
        return scores.sum(dim=1) / math.sqrt(scores.shape[1])

    return score


class Pix2Pix(Translator):
    """A generator that is given the source and noise, and a critic of patches.

    Parameters
    ----------
    channels, size, width, depth, keep
        As `Translator`.
    weight : float
        Of L1 in the generator's loss, 0 or more (lambda of the paper).
    game : Game
        Played in training; a checkpoint does not need it.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 32,
        depth: int = 1,
        keep: float = 0.0,
        weight: float = 1.0,
        game: Game = R3GAN,
    ) -> None:
        if weight < 0:
            raise ValueError(f"weight must be 0 or more, got {weight}")
        super().__init__(channels, size, width, depth, keep)
        self.config["weight"] = weight
        self.critic, self.weight, self.game = PatchCritic(2 * channels, CRITIC, self.fold), weight, game

    def objectives(self) -> list[Objective]:
        return [
            Objective("critic", self.critic_loss, list(self.critic.parameters())),
            Objective("generator", self.generator_loss, list(self.net.parameters())),
        ]

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.generate(batch.y)
        return critic_loss(self.game, self.critic, batch.x, fake, batch.y)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Fool the critic and stay near the target (Isola et al. 2017, eq. 4)."""
        x, y = batch
        fake = self.generate(y)
        near, fooling = l1_loss(fake, x), fooling_loss(self.game, self.critic, x, fake, y)
        return {"loss": fooling + self.weight * near, "l1": near}

    def generate(self, y: Tensor, noise: Tensor | None = None) -> Tensor:
        """One picture a source, float32, from the noise given or from fresh noise."""
        noise = torch.randn_like(y) if noise is None else noise
        return self.answer(noise, y.new_ones(len(y)), y)

    def sample(self, n: int, y: Tensor | None = None, *, noise: Tensor | None = None) -> Iterator[Tensor]:
        """Translate sources y (n, channels, H, W) in one step, from noise of their shape; yields the pictures."""
        y, noise = self.begin(n, y, noise)
        yield self.predict(noise, torch.ones((), device=y.device), y)
