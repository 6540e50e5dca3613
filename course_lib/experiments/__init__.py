"""What did long trainings do? Comparisons that were run once and logged, and the figures drawn from them.

Five trainings of ten minutes do not fit into a notebook; their curves do. An experiment is a module here
whose `run()` trains and yields one `Run` after the other; its log is the JSON file beside it, which
notebooks read. Nothing in such a figure is typed in by hand: whoever doubts it runs `course log NAME`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from torch import Tensor

LOGS = files("course_lib") / "experiments"
POINTS = 100  # of each curve, each the mean over its part of the run


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes
    ----------
    name : str
        Which of the compared ways this was.
    seed, steps : int
    seconds : float
        Processor time, on the machine that `device` names.
    device : str
    results : dict of str to float
        What was measured at the end.
    curves : dict of str to list of float
        Name -> values, evenly spaced from the first step to the last.
    """

    name: str
    seed: int
    steps: int
    seconds: float
    device: str
    results: dict[str, float]
    curves: dict[str, list[float]]


def thinned(curve: Tensor, points: int = POINTS) -> list[float]:
    """A curve (steps,) as the means of `points` equal parts, to four digits.

    Examples
    --------
    >>> import torch
    >>> thinned(torch.arange(6.0), 3)
    [0.5, 2.5, 4.5]
    """
    parts = curve.double().tensor_split(min(points, len(curve)))
    return [float(f"{part.mean():.4g}") for part in parts]


def write(path: Path | str, runs: Sequence[Run]) -> None:
    """Write runs to a file, one a line."""
    lines = ",\n".join(json.dumps(asdict(run)) for run in runs)
    Path(path).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(name: str) -> list[Run]:
    """The logged runs of one experiment that ships with the course.

    Raises
    ------
    ValueError
        If no log has that name.
    """
    if name not in available():
        raise ValueError(f"no runs named {name!r} were logged; there are: {', '.join(available())}")
    return [Run(**row) for row in json.loads((LOGS / f"{name}.json").read_text(encoding="utf-8"))]


def available() -> list[str]:
    """The names that `read` knows."""
    return sorted(file.name.removesuffix(".json") for file in LOGS.iterdir() if file.name.endswith(".json"))
