"""The meter: looks at all counters now and then while something runs."""

import threading
import time
from typing import Self

import torch

from course_lib.energy.gauges import Gauge
from course_lib.energy.machine import gauges_of
from course_lib.energy.reading import Energy

EVERY = 1.0  # seconds between two looks; the smallest counter wraps around after minutes


class Meter:
    """Reads the energy of a block, whatever ends it; of several blocks, their sum.

    A look takes microseconds and happens once a second, in a thread of its own.

    Parameters
    ----------
    device : torch.device
        Where the block computes; its processor always counts, and a card if that is the device.
    gauges : dict of str to Gauge, optional
        Part -> what counts its joules, from when it was made; found on this machine if not given.

    Examples
    --------
    >>> with Meter(torch.device("cpu")) as meter:
    ...     work = sum(range(100_000))
    >>> meter.energy().total > 0
    True
    """

    def __init__(self, device: torch.device, gauges: dict[str, Gauge] | None = None) -> None:
        self.device, self.given = device, gauges
        self.before = self.running = Energy({}, 0.0)  # before: earlier blocks, or earlier parts of an interrupted run
        self.lock, self.ended = threading.Lock(), threading.Event()

    def __enter__(self) -> Self:
        self.before, self.running = self.energy(), Energy({}, 0.0)
        self.gauges = gauges_of(self.device) if self.given is None else self.given
        self.began = time.monotonic()
        self.ended.clear()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error) -> None:
        self.ended.set()
        self.thread.join()
        self.look()

    def _watch(self) -> None:
        while not self.ended.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Read all counters now."""
        with self.lock:
            joules = {name: gauge.joules() for name, gauge in self.gauges.items()}
            self.running = Energy(joules, time.monotonic() - self.began)

    def energy(self) -> Energy:
        """All that was spent up to the last look, in earlier parts of the run too."""
        names = self.before.joules | self.running.joules
        joules = {name: self.before.joules.get(name, 0.0) + self.running.joules.get(name, 0.0) for name in names}
        return Energy(joules, self.before.seconds + self.running.seconds)

    def state_dict(self) -> dict:
        return self.energy()._asdict()

    def load_state_dict(self, state: dict) -> None:
        self.before = Energy(**state)
