"""How do several processes, on several GPUs or machines, train one model?

Each holds the whole model and draws the same batch, but takes the gradient on its slices of it alone. The gradients
are averaged over all (all-reduce), and all make the same update, so that their weights stay equal and never travel.

What comes out depends on how many slices a batch is cut into, and not on who computes them: each slice of a step draws
its noise from a seed of its own. So N processes end, but for the order of floating-point sums, where one process ends
that takes N slices one after the other (`COURSE_SLICES=N`: gradient accumulation, which also fits a large batch into
a small GPU). Beside training on the uncut batch this is

- the same, where a loss is a mean over examples and draws nothing;
- the same in distribution, where it draws noise for each example by itself: flows, VAEs, games without batch norm;
- something else where examples meet: batch norm (the generator of `ImageGan`) and codebooks that follow their vectors
  (`VectorQuantiser`) see a slice's statistics, a contrast of captions (`Clip`) has fewer others to be told from, and
  a mean over a random number of tokens (`MaskGit`) becomes a mean of such means.

To make the noise the same, too, each loss would have to draw that of the whole batch and know its own place in it.

`torchrun` starts the processes and tells each by its environment who it is. PyTorch's DistributedDataParallel takes
the same average in buckets, which travel while backward still runs; but it wraps one module's `forward`, and a model
here has losses, sometimes two. Its few megabytes go in one message.

Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training.
"""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from course_lib.data.images import Batch
from course_lib.device import seeded

T = TypeVar("T")
PATIENCE = timedelta(minutes=10)  # a process that waits longer for the others takes them for dead


@dataclass(frozen=True)
class Team:
    """The processes that train one model; by default a single one, which takes each batch whole.

    Attributes
    ----------
    rank, size : int
        Which of how many this process is.
    slices : int
        Equal parts of each batch, a multiple of `size`.
    """

    rank: int = 0
    size: int = 1
    slices: int = 1

    @property
    def first(self) -> bool:
        """Whether it is this process that writes files and shows progress."""
        return self.rank == 0

    def mean(
        self,
        run: Callable[[Batch], dict[str, Tensor]],
        batch: Batch,
        params: Sequence[Tensor],
        buffers: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Run on this process's slices, then average over the slices of all.

        Parameters
        ----------
        run : callable
            Adds to the gradients, may move the buffers, returns scalars.
        batch : Batch
            Whole, and the same in each process.
        params, buffers : sequence of Tensor
            Their gradients and their changes become the means over all slices.

        Returns
        -------
        dict of str to Tensor
            The means of the scalars.

        Raises
        ------
        ValueError
            If the batch cannot be cut into equal slices.
        """
        if self.slices == 1:
            return run(batch)
        for p in params:
            p.grad = torch.zeros_like(p)
        before, moved = [b.clone() for b in buffers], [torch.zeros_like(b) for b in buffers]
        rows: list[dict[str, Tensor]] = []
        for part in self.cut(batch):
            rows.append(run(part))
            for buffer, old, change in zip(buffers, before, moved):
                change += buffer - old
                buffer.copy_(old)  # each slice finds the model as the step found it
        terms = {name: sum(row[name].float() for row in rows) for name in rows[0]}
        self._average([*(p.grad for p in params), *moved, *terms.values()])
        for buffer, change in zip(buffers, moved):
            buffer += change  # and not the mean of values, whose rounding would move what stands still
        return terms

    def cut(self, batch: Batch) -> Iterator[Batch]:
        """This process's slices; while it has one in hand, noise comes from that slice's seed."""
        each, rest = divmod(len(batch.x), self.slices)
        if rest or not each:
            raise ValueError(
                f"a batch of {len(batch.x)} cannot be cut into {self.slices} equal slices: the mean of their means "
                "would not be its own"
            )
        seeds = torch.randint(2**62, (self.slices,)).tolist()  # from the step's seed, the same in each process
        for number in range(self.rank, self.slices, self.size):
            rows = slice(number * each, (number + 1) * each)
            with seeded(seeds[number], batch.x.device):
                yield type(batch)(batch.x[rows], batch.y[rows])

    def _average(self, sums: list[Tensor]) -> None:
        """Sums over this process's slices to means over all slices of all, in place: one message."""
        flat = torch.cat([t.flatten() for t in sums])
        if self.size > 1:
            dist.all_reduce(flat)
        for t, mean in zip(sums, (flat / self.slices).split([t.numel() for t in sums])):
            t.copy_(mean.view_as(t))

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes the first one's values, in place."""
        for tensor in tensors if self.size > 1 else ():
            dist.broadcast(tensor.detach(), src=0)

    def told(self, value: T) -> T:
        """The first process's value, in all of them."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, src=0)
        return values[0]

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, in each of them."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values


def team(device: torch.device) -> Team:
    """Who trains together: what torchrun tells in the environment, else this process alone.

    Parameters
    ----------
    device : torch.device
        Of this process's model.

    Raises
    ------
    ValueError
        If `COURSE_SLICES` is not a multiple of the number of processes.

    Examples
    --------
    >>> team(torch.device("cpu"))
    Team(rank=0, size=1, slices=1)
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    stated = os.environ.get("COURSE_SLICES") or str(size)
    if not stated.isdigit() or not int(stated) or int(stated) % size:
        raise ValueError(f"COURSE_SLICES must be a multiple of the {size} processes that share them, got {stated!r}")
    if size > 1 and not dist.is_initialized():
        _join(device)
    return Team(rank(), size, int(stated))


def rank() -> int:
    """Which process this is, 0 if it is alone; known before anything is trained."""
    return int(os.environ.get("RANK", 0))


def _join(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"  # plain values travel by gloo
    dist.init_process_group(backend, timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)
