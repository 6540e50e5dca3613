"""What did it cost the planet to train that, and what does an image cost?

The meter (`course_lib.energy`) answers for our own models. For large ones there are published hours of work, or the
number of operations, and for the rest assumptions: how many watts a busy accelerator draws, what the building adds
(PUE), how much carbon stands behind a kilowatt-hour. None is known to one digit, so every quantity here is a range from
its lowest plausible value to its highest, and ranges are multiplied. A single number would be a claim nobody can make.

    energy = accelerator hours x watts x PUE        carbon = energy x grid intensity        FLOPs = 6 N D

Left out: making the hardware, failed runs and searches, which may cost as much again (Luccioni et al. 2023), and
everything that the model is used for later.

Kaplan et al. 2020, eq. 2.1; Patterson et al. 2021, Carbon Emissions and Large Neural Network Training; Strubell et al.
2019, Energy and Policy Considerations for Deep Learning in NLP; Luccioni et al. 2023 (BLOOM) and 2024 (Power Hungry
Processing).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

from course_lib.energy import Energy

# g CO2e a kWh over the life cycle of the power plants, 2023 (Ember 2024, Global Electricity Review).
GRIDS = {"Norway": 30, "France": 56, "United Kingdom": 238, "United States": 369, "Germany": 381, "world": 481}
GRIDS |= {"China": 582, "Poland": 662, "India": 713}


class Range(NamedTuple):
    """A quantity between two bounds, both 0 or more.

    Examples
    --------
    >>> Range(1, 2) * Range(10, 30)
    Range(low=10, high=60)
    >>> Range(1, 2) * 10, Range(6, 12) / Range(2, 3)
    (Range(low=10, high=20), Range(low=2.0, high=6.0))
    """

    low: float
    high: float

    def __mul__(self, other: Self | float) -> Self:
        other = as_range(other)
        return Range(self.low * other.low, self.high * other.high)

    def __truediv__(self, other: Self | float) -> Self:
        other = as_range(other)
        return Range(self.low / other.high, self.high / other.low)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __str__(self) -> str:
        low, high = (f"{float(f'{bound:.3g}'):,g}" for bound in self)
        return low if low == high else f"{low} to {high}"


def as_range(quantity: Range | float) -> Range:
    """A range as it is, a number as a range without width; refuses bounds in the wrong order."""
    bounds = quantity if isinstance(quantity, Range) else Range(quantity, quantity)
    if not 0 <= bounds.low <= bounds.high:
        raise ValueError(f"a range goes from 0 or more upwards, got {bounds.low} to {bounds.high}")
    return bounds


def training_flops(parameters: float, examples: float) -> float:
    """Operations of a training, 6 N D (Kaplan et al. 2020): 2 a parameter forward, 4 backward, for each token or patch.

    Holds where each weight is used once a token, as in a transformer; a convolution uses its weights once a place, so
    count a place as a token. Attention itself is left out: short sequences.

    Examples
    --------
    >>> f"{training_flops(175e9, 300e9):.3g}"  # GPT-3
    '3.15e+23'
    """
    return 6 * parameters * examples


class Training(NamedTuple):
    """A training of which the hours are known, or can be had from its operations.

    Attributes
    ----------
    name, source : str
        Whose training, and where the figures stand.
    hours : Range
        Of one accelerator.
    watts : Range
        That one accelerator draws, its share of the server included if the source says so.
    pue : Range
        What the building adds: 1.1 in the best, 1.6 in the usual data centre (Uptime Institute 2023).
    intensity : Range
        g CO2e a kWh.
    stated : float
        Tonnes of CO2e that the source states itself; it should lie in the range.
    """

    name: str
    hours: Range
    watts: Range
    pue: Range
    intensity: Range
    stated: float
    source: str

    def energy(self) -> Range:
        """Kilowatt-hours at the meter of the building."""
        return self.hours * self.watts * self.pue / 1000

    def carbon(self) -> Range:
        """Tonnes of CO2e."""
        return self.energy() * self.intensity / 1e6


def hours_of(flops: float, achieved: Range) -> Range:
    """Accelerator hours for a number of operations.

    Parameters
    ----------
    flops : float
        As `training_flops` gives them.
    achieved : Range
        FLOP/s that an accelerator achieves in training, a third to a half of its data sheet.
    """
    return as_range(flops) / achieved / 3600


# Low and high ends where the source leaves one open; equal ends where it states one value.
LARGE = (
    Training(
        "GPT-3 (175 B)", hours_of(training_flops(175e9, 300e9), Range(24.6e12, 24.6e12)), Range(330, 330),
        Range(1.1, 1.1), Range(429, 429), 552, "Patterson et al. 2021, table 4: V100, 24.6 TFLOP/s measured, 330 W",
    ),
    Training(
        "BLOOM (176 B)", Range(1_082_990, 1_082_990), Range(400, 400),
        Range(1.0, 1.2), Range(57, 57), 24.7, "Luccioni et al. 2023, table 1: A100 at 400 W, France; no idle nodes",
    ),
    Training(
        "Llama 2 (70 B)", Range(1_720_320, 1_720_320), Range(350, 400),
        Range(1.0, 1.2), Range(369, 481), 291, "Touvron et al. 2023, table 2: A100-80GB, at most 400 W",
    ),
    Training(
        "Stable Diffusion 1", Range(150_000, 150_000), Range(200, 250),
        Range(1.1, 1.6), Range(300, 481), 11.25, "model card of v1-4 (2022): A100 PCIe at most 250 W, AWS us-east",
    ),
)  # fmt: skip

# kWh an image, over the models that Luccioni et al. 2024 (Power Hungry Processing, section 4) measured: mean to most.
LARGE_IMAGE = Range(2.9e-3, 11.49e-3)


class Point(NamedTuple):
    """A way to draw images: what one costs, and how far they are from real ones."""

    name: str
    joules: float
    distance: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both: cheapest first, each better than all that are cheaper.

    Examples
    --------
    >>> [p.name for p in frontier([Point("a", 1, 9), Point("b", 2, 3), Point("c", 3, 4)])]
    ['a', 'b']
    """
    best, kept = math.inf, []
    for point in sorted(points, key=lambda point: (point.joules, point.distance)):
        if point.distance < best:
            best = point.distance
            kept.append(point)
    return kept


def break_even(training: Energy | float, joules_an_image: float) -> float:
    """After how many images drawing has cost as much as training.

    Examples
    --------
    >>> break_even(36_000.0, 0.5)
    72000.0
    """
    if joules_an_image <= 0:
        raise ValueError(f"an image must cost something, got {joules_an_image} J")
    return (training.total if isinstance(training, Energy) else training) / joules_an_image
