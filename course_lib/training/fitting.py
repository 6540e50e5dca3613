"""A whole run under a progress bar, which can be stopped and taken up again."""

import math
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib.energy import Energy, Meter, together
from course_lib.training.averaging import Ema
from course_lib.training.parallel import Team
from course_lib.training.steps import Step, train_steps

SECONDS_BETWEEN_SAVES = 120
STEPS_BETWEEN_READINGS = 25


class Curves(dict[str, Tensor]):
    """What a run reported and took.

    A dictionary, "objective/term" -> its value at each step, float32 on the CPU; beside it, what the meter read.

    Attributes
    ----------
    energy : Energy
        Of the whole run, its parts before an interruption among them.
    """

    def __init__(self, values: dict[str, Tensor], energy: Energy) -> None:
        super().__init__(values)
        self.energy = energy


def fit(training: train_steps, *, ema: Ema | None = None, resume: Path | str | None = None) -> Curves:
    """Train to the end under a progress bar.

    An interruption (the stop button, Ctrl-C) ends the run after the step that it hits and keeps what was learned; a
    second one does not wait for the step. Several processes cannot agree on a last step then: their run goes on from
    the state that was last saved, two minutes old at most.

    Parameters
    ----------
    training : train_steps
    ema : Ema, optional
        Updated after each step.
    resume : path, optional
        Where the state of the run is kept while it lasts. A run that finds the file goes on from it. Of several
        processes the first one reads and writes it.

    Returns
    -------
    Curves
        "objective/term" -> its value at each step of this call, and in `energy` the joules of the run, of
        all processes together.

    Raises
    ------
    ValueError
        If a loss becomes infinite or NaN, or the file at `resume` belongs to another run or cannot be written.
    """
    meter = Meter(training.model.device)
    keeper = _Keeper(training, ema, meter, Path(resume)) if resume else None
    history = _History()
    name, quiet = type(training.model).__name__, not training.team.first
    bar = tqdm(total=training.steps, initial=training.done, desc=name, unit="step", disable=quiet)
    with bar, meter, _Interruption() as interruption:
        try:
            for step in training:
                history.add(step)
                if ema:
                    ema.update()
                bar.update()
                if step.index % STEPS_BETWEEN_READINGS == 0:
                    bar.set_postfix(history.read())
                    if keeper:
                        keeper.save_if_due()
                interruption.raise_if_due()
        except KeyboardInterrupt:
            if training.team.size > 1:
                raise
            stopped = f"stopped at step {training.done} of {training.steps}; what was learned is kept"
            warnings.warn(stopped, stacklevel=2)
        history.read()
    if keeper:
        keeper.save()  # not after a divergence: the state saved before it is worth more
    return Curves(history.curves(), _spent(training.team, meter))


def _spent(team: Team, meter: Meter) -> Energy:
    """By all processes."""
    return together(team.gathered(meter.energy()))


class _Interruption:
    """Holds Ctrl-C back until a step is whole, or half an update would be saved and a resumed run differ."""

    def __init__(self) -> None:
        self.due = False
        # Only the main thread may ask, and whoever has another handler than Python's own has reasons for it.
        main = threading.current_thread() is threading.main_thread()
        self.mine = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def __enter__(self) -> Self:
        if self.mine:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error) -> None:
        if self.mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *received) -> None:
        self.raise_if_due()  # asked for twice: at once
        self.due = True

    def raise_if_due(self) -> None:
        if self.due:
            raise KeyboardInterrupt


class _History:
    """What each step reported, read from the device now and then: a GPU need not wait for every step.

    Read numbers are kept, not tensors: thousands of tiny tensors between large ones keep a CPU's memory
    from being given back.
    """

    def __init__(self) -> None:
        self.unread: list[Step] = []
        self.values: dict[str, list[float]] = {}

    def add(self, step: Step) -> None:
        self.unread.append(step)

    def read(self) -> dict[str, str]:
        """Read what is unread; the latest losses, for the progress bar."""
        for name in self.unread[0].logs if self.unread else ():
            read = torch.stack([step.logs[name] for step in self.unread]).tolist()
            for step, value in zip(self.unread, read):
                if not math.isfinite(value):
                    raise ValueError(f"{name} became {value} at step {step.index}: a lower learning rate usually helps")
            self.values.setdefault(name, []).extend(read)
        self.unread.clear()
        return {name.split("/")[-1]: f"{row[-1]:.3f}" for name, row in self.values.items() if name.endswith("loss")}

    def curves(self) -> dict[str, Tensor]:
        return {name: torch.tensor(row) for name, row in self.values.items()}


class _Keeper:
    """Writes a run's state to a file now and then, and reads it back at the start."""

    def __init__(self, training: train_steps, ema: Ema | None, meter: Meter, path: Path) -> None:
        self.team, self.meter, self.path = training.team, meter, path
        self.parts = {"training": training} | ({"ema": ema} if ema else {})
        self.saved_at = time.monotonic()
        if self.team.first and not os.access(path.parent, os.W_OK):
            raise ValueError(f"{path} cannot be written: {path.parent} must be a folder that takes new files")
        if state := self.team.told(self._read() if self.team.first and path.exists() else None):
            self._load(state)

    def _read(self) -> dict:
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise self._refusal(error) from error

    def _load(self, state: dict) -> None:
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            if self.team.first:  # what all have spent so far stands in one meter, or it would count for each
                self.meter.load_state_dict(state["energy"])
        except Exception as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> ValueError:
        return ValueError(f"{self.path} is not the state of this run: {error}. Delete it to start anew.")

    def save_if_due(self) -> None:
        if self.team.told(time.monotonic() - self.saved_at > SECONDS_BETWEEN_SAVES):
            self.save()

    def save(self) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state["energy"] = _spent(self.team, self.meter)._asdict()
        if self.team.first:
            partial = self.path.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(self.path)  # in one move, so that a crash leaves the old file or the new one
        self.saved_at = time.monotonic()
