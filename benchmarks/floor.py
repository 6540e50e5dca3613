"""How fast could it be? Operations by the rates that the same machine reaches in the same round.

A program that only multiplied matrices and convolved, at the best rate that PyTorch reaches here, and did all the rest
for nothing, would need the floor's time. Its share of what is measured says how much there is left to win without
another network. Convolutions count by the rate of convolutions, all else by that of matrix products.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.timing import Job

SHAPES = (64, 64, 14), (64, 128, 7), (16, 64, 32)  # images, channels, side: as large as the course's, and kept in cache
MATRIX = 768
COPIED = 2**24  # numbers, 64 MB in float32: more than a cache holds


@dataclass(frozen=True)
class Work:
    """What one call has to do."""

    convolved: float = 0.0  # FLOPs
    multiplied: float = 0.0  # FLOPs
    moved: float = 0.0  # bytes

    @property
    def flops(self) -> float:
        return self.convolved + self.multiplied


def counted(job: Job) -> Work:
    """The operations of one call, backward passes among them; a multiplication with its addition counts as two.

    Examples
    --------
    >>> counted(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    Work(convolved=0.0, multiplied=48.0, moved=0.0)
    """
    counter = _Counter()
    with counter:
        job()
    return Work(counter.convolved, counter.multiplied)


class _Counter(TorchDispatchMode):
    """By PyTorch's own formulas, but without its tracking of modules, which refuses gradients of gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.convolved = self.multiplied = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        operation = func._overloadpacket
        if operation not in flop_registry and func is not torch.ops.prim.device.default:
            with self:  # an operation that is made of others
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if operation in flop_registry:
            flops = flop_registry[operation](*args, **kwargs, out_val=result)
            if "convolution" in str(operation):
                self.convolved += flops
            else:
                self.multiplied += flops
        return result


class Yardsticks:
    """Jobs that run in each round beside what is measured, and the rates that they reach.

    Parameters
    ----------
    device : torch.device
    dtype : torch.dtype
        Of the products and convolutions.
    size : float
        Share of the full size, in (0, 1]; less than 1 only to see that all runs.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, size: float = 1.0) -> None:
        side = max(8, int(MATRIX * size * (8 if device.type == "cuda" else 1)))
        a, b = torch.randn(2, side, side, device=device, dtype=dtype)
        source = torch.randn(int(COPIED * size), device=device)
        target = torch.empty_like(source)
        self.jobs: dict[str, Job] = {"product": lambda: a @ b, "copy": lambda: target.copy_(source)}
        self.work = {"product": Work(multiplied=2.0 * side**3), "copy": Work(moved=2.0 * source.nbytes)}
        for images, channels, width in SHAPES:
            images = max(1, int(images * size * (16 if device.type == "cuda" else 1)))
            name, layer = f"convolution {channels}", _convolution(channels, device, dtype)
            x = torch.randn(images, channels, width, width, device=device, dtype=dtype)
            self.jobs[name] = _applied(layer, x.contiguous(memory_format=torch.channels_last))
            self.work[name] = Work(convolved=2.0 * 9 * channels**2 * images * width**2)

    def rates(self, seconds: dict[str, list[float]]) -> tuple[list[float], list[float], list[float]]:
        """FLOPs a second of the best convolution and of the product, bytes a second of the copy; one each round."""
        convolutions = [[w.convolved / s for s in seconds[n]] for n, w in self.work.items() if w.convolved]
        product = [self.work["product"].multiplied / s for s in seconds["product"]]
        copy = [self.work["copy"].moved / s for s in seconds["copy"]]
        return [max(rates) for rates in zip(*convolutions)], product, copy


def floor(work: Work, rates: tuple[float, float, float]) -> float:
    """Seconds that the work takes at these rates of convolution, product and copy.

    Examples
    --------
    >>> floor(Work(convolved=6.0, multiplied=4.0, moved=1.0), (2.0, 4.0, 1.0))
    5.0
    """
    return work.convolved / rates[0] + work.multiplied / rates[1] + work.moved / rates[2]


def _convolution(channels: int, device: torch.device, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype) / channels
    weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
    return lambda x: conv2d(x, weight, padding=1)


def _applied(layer: Callable[[Tensor], Tensor], x: Tensor) -> Job:
    return lambda: layer(x)
