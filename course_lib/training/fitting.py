"""A whole run under a progress bar, which can be stopped and taken up again."""

import math
import time
import warnings
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib.training.averaging import Ema
from course_lib.training.steps import Step, train_steps

SECONDS_BETWEEN_SAVES = 120


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
