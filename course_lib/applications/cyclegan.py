"""Day and night without a single pair.

Nobody has photographed every street at noon and at midnight, but many have photographed some street at either.
CycleGAN learns from two unrelated piles: two generators, there and back, each against a critic of its side, and one
demand more: whoever goes there and back must come home.

    fool the critics     there(y) looks like a night, back(x) like a day
    cycle                back(there(y)) = y    and    there(back(x)) = x

The cycle is there to keep the scene. It says nothing about where the scene is kept: a generator may as well hide what
it must not show in a pattern too faint for the critic, and its partner learns to read it (`steganography`).

Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, eqs. 1-3. We depart
in the game, as `pix2pix`, and in generators that change a picture rather than draw one: they begin as the identity.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu, pixel_shuffle, pixel_unshuffle

from course_lib.applications.pix2pix import R3GAN, PatchCritic, critic_loss, fooling_loss
from course_lib.data.images import Batch
from course_lib.device import precision
from course_lib.gans.games import Game
from course_lib.gans.networks import SLOPE, Residual
from course_lib.model import Model, Objective


class Retoucher(nn.Module):
    """A picture -> the picture with changes, at half resolution; the identity at the start.

    Parameters
    ----------
    channels, width : int
    depth : int
        Residual blocks.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.leave = nn.Conv2d(width, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        h = self.blocks(self.enter(pixel_unshuffle(x, 2)))
        return x + pixel_shuffle(self.leave(leaky_relu(h, SLOPE)), 2).float()


class CycleGan(Model):
    """Two generators and two critics; batches of `course_lib.data.unpaired.Unpaired`: x of one pile, y of the other.

    Parameters
    ----------
    channels, size : int
        Of the pictures of both piles; size is a multiple of 4.
    width, depth : int
        Of the generators.
    critic : int
        Width of the critics.
    cycle : float
        Weight of the cycle in the generators' loss, 0 or more (lambda of the paper, which takes 10: our generators
        begin with a closed cycle, and a heavy one holds them there).
    game : Game
        Played in training; a checkpoint does not need it.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 32,
        depth: int = 3,
        critic: int = 16,
        cycle: float = 1.0,
        game: Game = R3GAN,
    ) -> None:
        if size % 4 or min(channels, size, width, depth, critic) < 1 or cycle < 0:
            raise ValueError(
                "size must be a multiple of 4, cycle 0 or more, and channels, width, depth and critic at least 1; got "
                f"{size}, {cycle}, {channels}, {width}, {depth}, {critic}"
            )
        super().__init__(channels=channels, size=size, width=width, depth=depth, critic=critic, cycle=cycle)
        self.there, self.back = (Retoucher(channels, width, depth) for _ in range(2))
        self.critic_there, self.critic_back = (PatchCritic(channels, critic) for _ in range(2))
        self.game, self.cycle = game, cycle

    def objectives(self) -> list[Objective]:
        critics, generators = (self.critic_there, self.critic_back), (self.there, self.back)
        return [
            Objective("critics", self.critics_loss, [p for part in critics for p in part.parameters()]),
            Objective("generators", self.generators_loss, [p for part in generators for p in part.parameters()]),
        ]

    def critics_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Each critic tells the pictures of its pile from those that a generator made of the other one."""
        x, y = batch
        with torch.no_grad():
            fake_x, fake_y = self.there(y), self.back(x)
        there = critic_loss(self.game, self.critic_there, x, fake_x, nothing_beside(x))
        back = critic_loss(self.game, self.critic_back, y, fake_y, nothing_beside(y))
        return {"loss": there["loss"] + back["loss"], "accuracy": (there["accuracy"] + back["accuracy"]) / 2}

    def generators_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Fool both critics, and come home (Zhu et al. 2017, eq. 3)."""
        x, y = batch
        fake_x, fake_y = self.there(y), self.back(x)
        cycle = l1_loss(self.back(fake_x), y) + l1_loss(self.there(fake_y), x)
        fooling = fooling_loss(self.game, self.critic_there, x, fake_x, nothing_beside(x))
        fooling = fooling + fooling_loss(self.game, self.critic_back, y, fake_y, nothing_beside(y))
        return {"loss": fooling + self.cycle * cycle, "cycle": cycle}

    def translate(self, y: Tensor, generator: Retoucher) -> Tensor:
        """Pictures (N, channels, H, W) through one of the generators, `there` or `back`, float32 in [-1, 1]."""
        channels = self.config["channels"]
        if y.ndim != 4 or y.shape[1] != channels or y.shape[2] % 4 or y.shape[3] % 4 or not y.is_floating_point():
            raise ValueError(
                f"pictures must be float (N, {channels}, H, W) in [-1, 1] with H and W multiples of 4, "
                f"got {y.dtype} {tuple(y.shape)}"
            )
        with torch.no_grad(), precision(y.device).autocast(y.device):
            return generator(y).float().clamp(-1, 1)

    def sample(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        """Bring n pictures y there, grey ones if none are given; yields the results, in [-1, 1]."""
        size, channels = self.config["size"], self.config["channels"]
        y = torch.zeros(n, channels, size, size, device=self.device) if y is None else y
        if n < 1 or len(y) != n:
            raise ValueError(f"there must be one picture for each of at least one sample, got {len(y)} and {n}")
        self.eval()
        yield self.translate(y, self.there)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        shape = (len(batch.x), self.config["channels"], self.config["size"], self.config["size"])
        if batch.x.shape != shape or batch.y.shape != shape or not batch.y.is_floating_point():
            raise ValueError(
                f"both piles must be float {shape} in [-1, 1], got {tuple(batch.x.shape)} and "
                f"{batch.y.dtype} {tuple(batch.y.shape)}"
            )


def nothing_beside(x: Tensor) -> Tensor:
    """No channels: these critics see the picture alone."""
    return x[:, :0]
