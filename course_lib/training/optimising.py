"""How far does a step go? The optimiser, and the factor on its learning rate over time."""

import math
from collections.abc import Callable

import torch
from torch import nn


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
