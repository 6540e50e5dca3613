"""A contest: ours and others at the same task, in turn, with the floor of each in the same rounds."""

from dataclasses import dataclass, field, replace

import torch

from benchmarks.floor import Work, Yardsticks, counted, floor
from benchmarks.timing import Clock, Job, Spread, clock, in_turn, ratio, spread

OURS = "course"


@dataclass(frozen=True)
class Setting:
    """How everything is measured.

    Attributes
    ----------
    device : torch.device
    rounds : int
    smoke : bool
        Small sizes, to see that all runs; the numbers mean nothing.
    """

    device: torch.device
    rounds: int = 7
    smoke: bool = False

    def pick(self, full: int, small: int) -> int:
        return small if self.smoke else full


@dataclass(frozen=True)
class Contest:
    """A task, and who does it.

    Attributes
    ----------
    what : str
    jobs : dict of str to callable
        Who -> one call. The one called `course` is what the others are measured against.
    items : int
        Images, tokens or steps that one call handles.
    dtype : torch.dtype
        In which products are computed: that of the yardsticks.
    work : dict of str to Work
        Who -> what one call has to do, where it is known. Whoever is not named has no floor.
    repeats : int
        Calls between two looks at the clock.
    watch : callable, optional
        The clock, if not that of the device.
    """

    what: str
    jobs: dict[str, Job]
    items: int = 1
    dtype: torch.dtype = torch.float32
    work: dict[str, Work] = field(default_factory=dict)
    repeats: int = 1
    watch: Clock | None = None

    def held(self, setting: Setting) -> list[dict]:
        """A row for each who took part: see `row`."""
        sticks = Yardsticks(setting.device, self.dtype, 0.02 if setting.smoke else 1.0) if self.work else None
        watch = self.watch or clock(setting.device)
        jobs = self.jobs | ({f"/{name}": job for name, job in sticks.jobs.items()} if sticks else {})
        taken = in_turn(jobs, setting.rounds, watch, 1 if setting.smoke else self.repeats)
        rates = sticks.rates({name[1:]: row for name, row in taken.items() if name[0] == "/"}) if sticks else None
        rows = []
        for who in self.jobs:
            share = None
            if who in self.work:
                share = spread(floor(self.work[who], rate) / s for s, rate in zip(taken[who], zip(*rates)))
            rows.append(row(self, who, taken, share))
        return rows


def row(contest: Contest, who: str, taken: dict[str, list[float]], share: Spread | None) -> dict:
    """What is written down of one who took part: plain data, a spread as [median, least, most].

    `ms` are milliseconds a call, `times ours` the ratio of times, `of the floor` the floor's time by the measured
    one: 1 is as fast as the arithmetic alone would be.
    """
    seconds = taken[who]
    found = {"what": contest.what, "who": who, "ms": list(spread(1e3 * s for s in seconds))}
    if contest.items != 1:
        found["a second"] = float(f"{contest.items / spread(seconds).median:.4g}")
    if who != OURS and OURS in contest.jobs:
        found["times ours"] = list(ratio(seconds, taken[OURS]))
    if share is not None:
        found["GFLOP"] = float(f"{contest.work[who].flops / 1e9:.4g}")
        found["of the floor"] = list(share)
    return found


def with_work(contest: Contest) -> Contest:
    """The same contest, with the operations of each call counted."""
    return replace(contest, work={who: counted(job) for who, job in contest.jobs.items()})
