"""How long does it take, on a machine that others use too?

Jobs run in turn, round after round, and a ratio is taken within its round: what slows one slows the others. The
first round warms up and is thrown away. Of the rest the median is told, with the least and the most.

On a CPU the clock counts the seconds that this process was at work, on all its threads, so that a job which waits
for its turn costs nothing. Work that other processes do, or a GPU, needs the clock on the wall.
"""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import NamedTuple

import torch

Job = Callable[[], object]
Clock = Callable[[], float]
DIGITS = 4  # of every number that is written down


class Spread(NamedTuple):
    """What several rounds gave."""

    median: float
    least: float
    most: float


def clock(device: torch.device) -> Clock:
    """Seconds at work on a CPU; on a GPU those on the wall, read when all that was asked of it is done."""
    if device.type != "cuda":
        return time.process_time

    def finished() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return finished


def in_turn(jobs: dict[str, Job], rounds: int, clock: Clock, repeats: int = 1) -> dict[str, list[float]]:
    """Seconds a call of each job, one number a round.

    Parameters
    ----------
    jobs : dict of str to callable
    rounds : int
        At least 1, after one that is not counted.
    clock : callable
        () -> seconds.
    repeats : int
        Calls between two looks at the clock, for jobs that take less than a millisecond.
    """
    if rounds < 1 or repeats < 1:
        raise ValueError(f"there must be at least one round and one call a round, got {rounds} and {repeats}")
    seconds = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            for _ in range(repeats):
                job()
            seconds[name].append((clock() - start) / repeats)
    return {name: row[1:] for name, row in seconds.items()}


def spread(values: Iterable[float]) -> Spread:
    """Median, least and most.

    Examples
    --------
    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, least=1.0, most=3.0)
    """
    values = list(values)
    return Spread(*(_short(value) for value in (statistics.median(values), min(values), max(values))))


def ratio(seconds: list[float], ours: list[float]) -> Spread:
    """How many times as long as ours, round by round."""
    return spread(theirs / own for theirs, own in zip(seconds, ours, strict=True))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else value


@contextmanager
def computing_in(dtype: torch.dtype) -> Iterator[None]:
    """Let the course compute in this precision, whatever it would choose here."""
    before = os.environ.get("COURSE_PRECISION")
    os.environ["COURSE_PRECISION"] = str(dtype).removeprefix("torch.")
    try:
        yield
    finally:
        os.environ.pop("COURSE_PRECISION")
        if before is not None:
            os.environ["COURSE_PRECISION"] = before


def machine(device: torch.device) -> dict:
    """On what this was measured."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Package -> its version, of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
