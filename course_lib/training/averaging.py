"""The average of a run's weights: less noise than its last step, for the price of a copy."""

import copy

import torch

from course_lib.model import Model


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
