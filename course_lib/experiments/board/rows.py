"""The board as numbers, and as a table: nothing in it is typed, all is read from the log."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from course_lib.experiments import Run, read
from course_lib.metrics import Interval, interval
from course_lib.plotting import Table
from course_lib.plotting import table as tabled

LOG = "leaderboard"
PM = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"  # a number keeps its error on its line


class Row(NamedTuple):
    """What was measured of one contestant; None where there is no such thing.

    Attributes
    ----------
    name, family : str
    excess : Interval
        Fréchet distance less the floor, at `n` images: mean over the draws, with the 95 % interval of its chance.
    precision, recall : float
        Means over the draws.
    bits : float or None
        At most so many a pixel, the label's share included.
    bits_error : float or None
        Their standard error, where they were estimated on some test images only.
    parameters : int
        What is needed to draw.
    evaluations : int or None
        Passes of the network an image.
    milliseconds, joules : float
        Of one image.
    training_seconds, training_joules : float or None
        Of all trainings that it took.
    n, draws : int
    floor : float
        The distance of n real images.
    device : str
        What it was measured on, and with which meter.
    """

    name: str
    family: str
    excess: Interval
    precision: float
    recall: float
    bits: float | None
    bits_error: float | None
    parameters: int
    evaluations: int | None
    milliseconds: float
    joules: float
    training_seconds: float | None
    training_joules: float | None
    n: int
    draws: int
    floor: float
    device: str


# Which family a contestant belongs to, by the first words of its name.
FAMILIES = {
    "real images": "reference",
    "Gaussian": "reference",
    "GAN": "GANs",
    "VAE": "VAEs",
    "flow": "diffusion",
    "tokens, Mamba": "SSMs",
    "tokens": "transformers",
    "DiT": "transformers",
}


def rows(runs: Sequence[Run] | None = None) -> list[Row]:
    """All contestants, the least excess first.

    Parameters
    ----------
    runs : sequence of Run, optional
        Those of the shipped log, if not given.

    Examples
    --------
    >>> rows()[0].name
    'real images'
    """
    return sorted((row(run) for run in (read(LOG) if runs is None else runs)), key=lambda found: found.excess.mean)


def row(run: Run) -> Row:
    """One logged run as a row."""
    found, mean = run.results, lambda name: sum(run.curves[name]) / len(run.curves[name])
    return Row(
        name=run.name,
        family=family(run.name),
        excess=interval(run.curves["excess"]),
        precision=mean("precision"),
        recall=mean("recall"),
        bits=found.get("bits"),
        bits_error=found.get("bits error"),
        parameters=int(found["parameters"]),
        evaluations=int(found["evaluations"]) if "evaluations" in found else None,
        milliseconds=1e3 * found["seconds each"],
        joules=found["joules each"],
        training_seconds=found.get("training seconds"),
        training_joules=found.get("training joules"),
        n=int(found["n"]),
        draws=len(run.curves["excess"]),
        floor=found["floor"],
        device=run.device,
    )


def family(name: str) -> str:
    """Which module of the course a contestant belongs to.

    Raises
    ------
    ValueError
        If no family begins like that.
    """
    for start, found in FAMILIES.items():
        if name.startswith(start):
            return found
    raise ValueError(f"no family has a contestant called {name!r}; names begin with {', '.join(FAMILIES)}")


def table(found: Sequence[Row] | None = None) -> Table:
    """The board as a table of eight columns.

    Parameters
    ----------
    found : sequence of Row, optional
        `rows()` if not given.

    Returns
    -------
    Table
        A notebook shows it; `str` and `markdown()` give Markdown.
    """
    found = rows() if found is None else found
    made = tabled([_cells(row) for row in found], caption=caption(found))
    return replace(made, numeric=(False, *[True] * (len(made.columns) - 1)))  # two numbers in a cell are numbers too


def _cells(row: Row) -> dict[str, object]:
    return {
        "model": row.name,
        "excess": f"{row.excess.mean:.3f}{PM}{row.excess.high - row.excess.mean:.3f}",
        "precision, recall": f"{row.precision:.2f}, {row.recall:.2f}",
        "bits a pixel ≤": _bits(row),
        "parameters": f"{row.parameters / 1e6:.2f} M" if row.parameters else None,
        "evaluations": row.evaluations,
        "ms, mJ an image": None if row.evaluations is None else f"{_two(row.milliseconds)}, {_two(1e3 * row.joules)}",
        "training: min, kJ": _training(row),
    }


def _bits(row: Row) -> str | None:
    error = "" if row.bits_error is None else f"{PM}{row.bits_error:.2f}"
    return None if row.bits is None else f"{row.bits:.2f}{error}"


def _training(row: Row) -> str | None:
    if row.training_seconds is None or row.training_joules is None:
        return None
    return f"{_two(row.training_seconds / 60)}, {_two(row.training_joules / 1e3)}"


def _two(value: float) -> str:
    """Two digits, or all before the point: 0.20, 2.4, 630."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:#.2g}"


def caption(found: Sequence[Row]) -> str:
    """What the numbers are: n, floor, interval, device and meter, in a line."""
    first = found[0]
    device, _, meter = first.device.partition("; ")
    return (
        f"Fashion-MNIST, {first.n:,} images a draw; excess over the floor of {first.floor:.3f}, mean of {first.draws} "
        f"draws with the 95 % interval of chance in drawing (each model was trained once). Bits: of test images, a "
        f"bound, label included; ± is the standard error where only some were asked. Parameters: what drawing needs. "
        f"Training: from a few steps, the tokenizer's included. {device}; energy of the {meter}."
    )
