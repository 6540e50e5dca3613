"""The training loop, in sight.

`train_steps` iterates over updates, so what other libraries do with callbacks (averaging, pictures,
early stopping) is a line in the reader's own `for`. `fit` drains it for those who only want the
result: a progress bar, averaged weights, interruption without loss, resumption where a run stopped.

    for step in train_steps(model, images.batches(64), 300):
        ema.update()

    curves = fit(train_steps(model, images.batches(64), 300), ema=ema)
"""

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from course_lib.data.images import Batch
from course_lib.device import Precision, precision, seeded
from course_lib.model import Model, Objective

MAX_GRAD_NORM = 1.0
SECONDS_BETWEEN_SAVES = 120


class Step(NamedTuple):
    """One finished update.

    Attributes
    ----------
    index : int
        Counts from 0.
    logs : dict of str to Tensor
        "objective/term" -> detached scalar, left on its device: to read it is to wait for the GPU.
    """

    index: int
    logs: dict[str, Tensor]


def adamw(params: list[nn.Parameter], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.99)) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only: to shrink biases and gains regularises nothing."""
    decayed, free = [p for p in params if p.ndim > 1], [p for p in params if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=params[0].device.type != "mps")


def constant(index: int) -> float:
    """Learning-rate factor 1 at every step."""
    return 1.0


def warmup_cosine(steps: int, warmup: int = 50, end: float = 0.02) -> Callable[[int], float]:
    """Learning-rate factor: a linear rise to 1, then half a cosine that ends at `end` after `steps`."""

    def factor(index: int) -> float:
        cosine = end + (1 - end) * (1 + math.cos(math.pi * min(index / steps, 1))) / 2
        return min(1.0, (index + 1) / warmup) * cosine

    return factor


class Player:
    """An objective with the optimiser, learning-rate schedule and gradient scaler that serve it."""

    def __init__(self, objective: Objective, optimizer, lr_factor, mode: Precision) -> None:
        self.objective, self.mode = objective, mode
        self.device = objective.params[0].device
        self.optimizer = optimizer(objective.params)
        self.schedule = LambdaLR(self.optimizer, lr_factor)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=mode.scaled)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Move the parameters by one step; return the loss's terms, detached."""
        with self.mode.autocast(self.device):
            terms = self.objective.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(terms["loss"]).backward(inputs=self.objective.params)
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.objective.params, MAX_GRAD_NORM)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return {f"{self.objective.name}/{name}": value.detach() for name, value in terms.items()}

    def parts(self) -> dict:
        return {"optimizer": self.optimizer, "schedule": self.schedule, "scaler": self.scaler}


class train_steps:  # noqa: N801  (reads as a function where it is used)
    """Train, one `Step` after each update.

    Parameters
    ----------
    model : Model
        Trained in place, on its device, in the precision that fits it.
    batches : iterable of Batch
        Usually `images.batches(size, seed)`.
    steps : int
        Updates to make.
    optimizer : callable
        Parameters -> optimiser; each objective gets its own.
    lr_factor : callable
        Step index -> factor on the learning rate.
    seed : int
        The noise of step i comes from (seed, i), so pictures drawn in between do not change a run,
        and a resumed run repeats an uninterrupted one.
    compile : bool
        Compile the losses: 40 to 90 s once, then faster steps on a GPU.

    Raises
    ------
    ValueError
        If `steps` is negative, the model has nothing to train, or the first batch does not fit it.
    """

    def __init__(
        self,
        model: Model,
        batches: Iterable[Batch],
        steps: int,
        *,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer] = adamw,
        lr_factor: Callable[[int], float] = constant,
        seed: int = 0,
        compile: bool = False,
    ) -> None:
        objectives = model.objectives()
        if steps < 0:
            raise ValueError(f"steps must be 0 or more, got {steps}")
        if not all(o.params for o in objectives):
            raise ValueError("an objective has no parameters: there is nothing to train")
        if compile:
            objectives = [o._replace(loss=torch.compile(o.loss)) for o in objectives]
        self.model, self.batches, self.steps, self.seed = model, batches, steps, seed
        self.done = 0
        mode = precision(model.device)
        self.players = [Player(o, optimizer, lr_factor, mode) for o in objectives]

    def __iter__(self) -> Iterator[Step]:
        start = self.done
        for batch in islice(self.batches, self.done, self.steps):
            self.model.train()  # whoever consumed the last step may have called eval() to draw pictures
            batch, logs = batch.to(self.model.device), {}
            if self.done == start:
                self.model.check(batch)
            with seeded(self.seed * 1_000_003 + self.done, self.model.device):
                for player in self.players:
                    logs |= player.update(batch)
            self.done += 1
            yield Step(self.done - 1, logs)  # after the update: stopping here never loses half a step

    def state_dict(self) -> dict:
        """All that a resumed run needs: weights, optimisers, steps done."""
        players = [{name: part.state_dict() for name, part in p.parts().items()} for p in self.players]
        return {"model": self.model.state_dict(), "players": players, "done": self.done}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        for player, saved in zip(self.players, state["players"], strict=True):
            for name, part in player.parts().items():
                part.load_state_dict(saved[name])
        self.done = state["done"]


class Ema:
    """An exponential moving average of a model's weights, which draws better images than the last step's.

    Parameters
    ----------
    model : Model
    decay : float
        Weight of the past, in [0, 1). The first updates use less, (1 + n) / (10 + n), so that the
        random start is soon forgotten.

    Attributes
    ----------
    model : Model
        The averaged copy: in eval mode, without gradients.

    Raises
    ------
    ValueError
        If `decay` is not in [0, 1).
    """

    def __init__(self, model: Model, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.source, self.decay, self.updates = model, decay, 0
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self) -> None:
        """Take the current weights into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.model.parameters()), list(self.source.parameters()), 1 - decay)
        for mine, theirs in zip(self.model.buffers(), self.source.buffers()):
            mine.copy_(theirs)
        self.updates += 1

    def state_dict(self) -> dict:
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]


def fit(training: train_steps, *, ema: Ema | None = None, resume: Path | str | None = None) -> dict[str, Tensor]:
    """Train to the end under a progress bar.

    An interruption (the stop button, Ctrl-C) ends the run early and keeps what was learned.

    Parameters
    ----------
    training : train_steps
    ema : Ema, optional
        Updated after each step.
    resume : path, optional
        Where the state of the run is kept while it lasts. A run that finds the file goes on from it.

    Returns
    -------
    dict of str to Tensor
        "objective/term" -> its value at each step of this call, float32 on the CPU.

    Raises
    ------
    ValueError
        If a loss becomes infinite or NaN, or the file at `resume` belongs to another run.
    """
    keeper = _Keeper(training, ema, Path(resume)) if resume else None
    history: list[dict[str, Tensor]] = []
    bar = tqdm(total=training.steps, initial=training.done, desc=type(training.model).__name__, unit="step")
    try:
        for step in training:
            history.append(step.logs)
            if ema:
                ema.update()
            bar.update()
            if step.index % 25 == 0:
                bar.set_postfix(_readable(step))
                if keeper:
                    keeper.save_if_due()
    except KeyboardInterrupt:
        warnings.warn(f"stopped at step {training.done} of {training.steps}; what was learned is kept", stacklevel=2)
    finally:
        bar.close()
        if keeper:
            keeper.save()
    return _curves(history)


class _Keeper:
    """Writes a run's state to a file now and then, and reads it back at the start."""

    def __init__(self, training: train_steps, ema: Ema | None, path: Path) -> None:
        self.parts = {"training": training} | ({"ema": ema} if ema else {})
        self.path, self.saved_at = path, time.monotonic()
        if path.exists():
            self._load()

    def _load(self) -> None:
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except Exception as error:
            raise ValueError(f"{self.path} is not the state of this run: {error}. Delete it to start anew.") from error

    def save_if_due(self) -> None:
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        partial = self.path.with_suffix(".partial")
        torch.save({name: part.state_dict() for name, part in self.parts.items()}, partial)
        partial.replace(self.path)  # in one move, so that a crash leaves the old file or the new one
        self.saved_at = time.monotonic()


def _readable(step: Step) -> dict[str, str]:
    values = {name: float(value) for name, value in step.logs.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} became {value} by step {step.index}: a lower learning rate usually helps")
    return {name.split("/")[-1]: f"{value:.3f}" for name, value in values.items() if name.endswith("loss")}


def _curves(history: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    if not history:
        return {}
    return {name: torch.stack([logs[name] for logs in history]).float().cpu() for name in history[0]}
