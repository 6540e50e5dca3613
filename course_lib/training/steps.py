"""One update after the other, for one objective or several that play against each other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from course_lib.data.images import Batch
from course_lib.device import Precision, precision, seeded
from course_lib.model import Model, Objective
from course_lib.training.optimising import adamw, constant
from course_lib.training.parallel import Team, team

MAX_GRAD_NORM = 1.0


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


class train_steps:  # noqa: N801  (reads as a function where it is used)
    """Train, one `Step` after each update; together with others where torchrun started several processes (parallel.py).

    Parameters
    ----------
    model : Model
        Trained in place, on its device, in the precision that fits it.
    batches : iterable of Batch
        Usually `images.batches(size, seed)`; several processes draw the same ones and share the work on each.
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
        self.team, mode = team(model.device), precision(model.device)
        buffers = [b for b in model.buffers() if b.dtype != torch.bool]  # a mask is never trained
        self.team.share([*model.parameters(), *buffers])
        self.players = [Player(o, optimizer, lr_factor, mode, self.team, buffers) for o in objectives]

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


class Player:
    """An objective with the optimiser, learning-rate schedule and gradient scaler that serve it."""

    def __init__(
        self,
        objective: Objective,
        optimizer,
        lr_factor,
        mode: Precision,
        team: Team = Team(),  # noqa: B008  (frozen)
        buffers: Sequence[Tensor] = (),
    ) -> None:
        self.objective, self.mode, self.team, self.buffers = objective, mode, team, buffers
        self.device = objective.params[0].device
        self.optimizer = optimizer(objective.params)
        self.schedule = LambdaLR(self.optimizer, lr_factor)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=mode.scaled)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Move the parameters by one step; return the loss's terms, detached."""
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.team.mean(self._backward, batch, self.objective.params, self.buffers)
        self.scaler.unscale_(self.optimizer)  # after the mean: if one process overflows, all skip the step
        nn.utils.clip_grad_norm_(self.objective.params, MAX_GRAD_NORM)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return {f"{self.objective.name}/{name}": value for name, value in terms.items()}

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        with self.mode.autocast(self.device):
            terms = self.objective.loss(batch)
        self.scaler.scale(terms["loss"]).backward(inputs=self.objective.params)
        return {name: value.detach() for name, value in terms.items()}

    def parts(self) -> dict:
        return {"optimizer": self.optimizer, "schedule": self.schedule, "scaler": self.scaler}
