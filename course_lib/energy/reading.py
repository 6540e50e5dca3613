"""A reading of the meter, and the carbon behind it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WORLD = 481.0  # g CO2e a kWh: the mean of the world's grids in 2023 (Ember 2024)
J_PER_KWH = 3.6e6
PREFIXES = {-3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


class Energy(NamedTuple):
    """What a meter has read.

    Attributes
    ----------
    joules : dict of str to float
        Part -> joules; the part's name says whether it was measured or estimated, and how.
    seconds : float
        On the clock.

    Examples
    --------
    >>> Energy({"processor (RAPL)": 3.6e6, "card (NVML)": 7.2e6}, seconds=3600.0)
    10.8 MJ = 3 kWh in 3,600 s, 1.44 kg CO2e (481 g/kWh, PUE 1): processor (RAPL) 3.6 MJ, card (NVML) 7.2 MJ
    """

    joules: dict[str, float]
    seconds: float

    @property
    def total(self) -> float:
        """Joules of all parts together."""
        return sum(self.joules.values())

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {in_words(part, 'J')}" for name, part in self.joules.items())
        clock = f"{self.seconds:,.0f}" if self.seconds >= 10 else f"{self.seconds:.2g}"
        return (
            f"{in_words(self.total, 'J')} = {self.total / J_PER_KWH:.3g} kWh in {clock} s, "
            f"{in_words(co2e(self.total), 'g')} CO2e ({WORLD:g} g/kWh, PUE 1): {parts or 'nothing was metered'}"
        )


def co2e(joules: float, intensity: float = WORLD, pue: float = 1.0) -> float:
    """Grams of CO2 equivalents.

    Parameters
    ----------
    joules : float
        As a meter reads them, at the chips.
    intensity : float
        Grams of CO2e a kWh of the grid.
    pue : float, 1 or more
        Power usage effectiveness: what the building draws for each joule that arrives at its computers.

    Examples
    --------
    >>> co2e(3.6e6, intensity=400, pue=1.5)
    600.0
    """
    if joules < 0 or intensity < 0 or pue < 1:
        raise ValueError(f"need joules and g/kWh of 0 or more, a PUE of at least 1, got {joules}, {intensity}, {pue}")
    return joules / J_PER_KWH * pue * intensity


def together(readings: Sequence[Energy]) -> Energy:
    """What several meters read side by side: joules add up, part by part; the clock ran for all at once.

    Examples
    --------
    >>> together([Energy({"card": 2.0}, seconds=3.0), Energy({"card": 1.0, "processor": 4.0}, seconds=5.0)]).joules
    {'card': 3.0, 'processor': 4.0}
    """
    joules: dict[str, float] = {}
    for part, value in (item for reading in readings for item in reading.joules.items()):
        joules[part] = joules.get(part, 0.0) + value
    return Energy(joules, max(reading.seconds for reading in readings))


def in_words(value: float, unit: str) -> str:
    """A number with a prefix to its unit, to three digits.

    Examples
    --------
    >>> in_words(36_000, "J"), in_words(0.0048, "g")
    ('36 kJ', '4.8 mg')
    """
    value = float(f"{value:.3g}")  # before the prefix is chosen: 999.9 J are 1 kJ
    power = 3 * math.floor(math.log10(abs(value)) / 3) if value else 0
    power = min(max(power, min(PREFIXES)), max(PREFIXES))
    return f"{value / 10.0**power:.3g} {PREFIXES[power]}{unit}"
