"""Two ways to count joules: from a counter of energy, which may wrap around, and from watts, which are summed."""

import time
from collections.abc import Callable


class Counter:
    """Joules since the start, from a source that only ever counts up, or wraps around.

    Parameters
    ----------
    read : callable
        () -> the source's count.
    unit : float
        Joules a count.
    wrap : float, optional
        The count at which the source starts from 0 again. Look at it more than once in that time.
    """

    def __init__(self, read: Callable[[], float], unit: float = 1.0, wrap: float | None = None) -> None:
        self.source, self.unit, self.wrap = read, unit, wrap
        self.last, self.counted = read(), 0.0

    def joules(self) -> float:
        now = self.source()
        step = now - self.last
        self.counted += step + self.wrap if step < 0 and self.wrap else step
        self.last = now
        return self.counted * self.unit


class Integral:
    """Joules since the start, from a source of watts: trapezia between two looks, exact while power is linear."""

    def __init__(self, watts: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self.watts, self.clock = watts, clock
        self.last, self.counted = (clock(), watts()), 0.0

    def joules(self) -> float:
        (before, low), (now, high) = self.last, (self.clock(), self.watts())
        self.counted += (now - before) * (low + high) / 2
        self.last = now, high
        return self.counted


Gauge = Counter | Integral
