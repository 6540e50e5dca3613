"""What test_distributed.py has torchrun start in two processes, and runs by itself in one."""

import os
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.data.images import Batch, Images
from course_lib.gans.images import ImageGan
from course_lib.model import Model
from course_lib.training import Curves, Ema, adamw, fit, train_steps, warmup_cosine

STEPS, HALF, BATCH = 6, 3, 8


class Denoiser(Model):
    """One objective that draws noise, and statistics of each batch that its buffers follow."""

    def __init__(self, noise: float = 0.3, normed: bool = True) -> None:
        super().__init__(noise=noise, normed=normed)
        self.noise = noise
        norm = nn.BatchNorm1d(16) if normed else nn.LayerNorm(16)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 16, bias=False), norm, nn.SiLU(), nn.Linear(16, 64))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        x = batch.x.flatten(1)
        error = self.layers(x + self.noise * torch.randn_like(x)) - x
        return {"loss": error.square().mean(), "largest": error.abs().max()}


MODELS = {"one objective": Denoiser, "two players": partial(ImageGan, channels=1, size=8, width=8, latent=4, classes=3)}


def images() -> Images:
    rng = torch.Generator().manual_seed(0)
    return Images(
        torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8, generator=rng), torch.randint(3, (40,), generator=rng)
    )


def trained(model: Model, steps: int = STEPS, resume: Path | None = None) -> tuple[train_steps, Ema, Curves]:
    """A training of `STEPS` steps, or its first ones."""
    ema = Ema(model, decay=0.5)
    batches = (batch for _, batch in zip(range(steps), images().batches(BATCH, seed=1)))
    training = train_steps(model, batches, STEPS, optimizer=partial(adamw, lr=1e-2), lr_factor=warmup_cosine(STEPS))
    return training, ema, fit(training, ema=ema, resume=resume)


def built(name: str, seed: int = 0) -> Model:
    torch.manual_seed(seed)
    return MODELS[name]()


def outcome(training: train_steps, ema: Ema, curves: Curves) -> dict:
    """All that a run leaves."""
    return {"training": training.state_dict(), "ema": ema.state_dict(), "curves": dict(curves)}


def main(out: Path) -> None:
    """Both models, whole and taken up again; then a recipe by the command."""
    me = int(os.environ["RANK"])
    found = {}
    for name in MODELS:
        # Other weights in the second process, and a file that only the first one has: it has to tell.
        whole = trained(built(name, seed=me))
        state = out / f"{name} {me}.state"
        trained(built(name), HALF, resume=state)
        again = trained(built(name, seed=7 + me), resume=state)
        found |= {name: outcome(*whole), f"{name}, resumed": outcome(*again)}
        os.environ["COURSE_SLICES"] = "4"
        found[f"{name}, four slices"] = outcome(*trained(built(name)))
        del os.environ["COURSE_SLICES"]
        found[f"{name}, joules"] = [curves.energy.total for _, _, curves in (whole, again)]
    torch.save(found, out / f"{me}.pt")
    command(out)


def command(out: Path) -> None:
    """`course train` of a recipe that is over after two steps."""
    from course_lib.cli import main as course
    from course_lib.recipes import digits_mamba as recipe

    recipe.STEPS, recipe.train, recipe.evaluate = 2, partial(recipe.train, steps=2), lambda model: {"bits": 1.0}
    assert course(["train", "digits_mamba", "--out", str(out / "digits.safetensors")]) == 0


def broken() -> None:
    """The second process dies at its third step, while the first one waits for it."""

    def dying():
        for index, batch in enumerate(images().batches(BATCH)):
            if index == 2 and os.environ["RANK"] == "1":
                raise RuntimeError("this process has died")
            yield batch

    fit(train_steps(built("one objective"), dying(), 1_000_000))


if __name__ == "__main__":
    broken() if sys.argv[1] == "broken" else main(Path(sys.argv[1]))
