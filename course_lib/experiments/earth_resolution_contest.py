"""earth_resolution_contest: as super_resolution_contest, on the Earth by day, from 16 to 64 pixels.

Trained on three continents and judged on the Americas.
"""

from collections.abc import Iterator

from course_lib.experiments import Run
from course_lib.experiments.super_resolution_contest import meet


def run() -> Iterator[Run]:
    yield from meet("earth")
