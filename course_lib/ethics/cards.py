"""A model card and a datasheet, written from what was measured.

A card that somebody writes by hand is out of date with the next training. Ours are made by `course cards` from the
header of the checkpoint, the logs of the experiments and the data themselves, and a test compares what is committed
with what the command would write now. Only two things are written by people: what a model is for (`uses`), and where
a data set comes from (`course_lib/data/cards`).

Mitchell et al. 2019, Model Cards for Model Reporting; Gebru et al. 2021, Datasheets for Datasets.
"""

import re
from typing import NamedTuple

from course_lib.energy import co2e, in_words
from course_lib.energy.reading import WORLD
from course_lib.ethics.datasheet import Sheet
from course_lib.ethics.shares import counted
from course_lib.ethics.uses import USES, Use


class Facts(NamedTuple):
    """All that a model card is made from.

    Attributes
    ----------
    name : str
    summary : str
        First line of the recipe's docstring.
    header : dict
        Of the checkpoint.
    parameters, steps, size : int
        Size in bytes, of the file.
    drawn, shown : dict of str to float
        From the logs of the energy experiment and of the audit; empty if the model is not in them.
    """

    name: str
    summary: str
    header: dict
    parameters: int
    steps: int
    size: int
    drawn: dict[str, float]
    shown: dict[str, float]


def model_card(facts: Facts) -> str:
    """The card of one checkpoint, in Markdown."""
    use = USES.get(facts.name, Use())
    header = facts.header
    rows = {
        "model": f"`{header['model']}`, {facts.parameters:,} parameters, {in_words(facts.size, 'B')} in half precision",
        "data": f"{header['data']}{_link(use.data)}",
        "recipe": f"`course train {header['recipe']}`: {facts.steps:,} steps from seed {header['seed']}",
        "training": _training(header, facts.drawn),
        "drawing": _drawing(facts.drawn),
        "licence": "MIT, as the course's code; the data set's own terms are on its datasheet",
        "sha256 of the weights": f"`{header['sha256']}`",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value)
    parts = [f"# {facts.name}", facts.summary, f"| | |\n|---|---|\n{table}"]
    parts += [f"**Reached.** {_metrics(header['metrics'])}"]
    parts += [f"**Shows.** {shows}"] if (shows := _shows(facts.shown)) else []
    parts += [f"**For.** {use.meant}", f"**Not for.** {use.unfit}", f"**Limits.** {use.limits}"]
    return "\n\n".join(parts) + "\n"


def _link(data: str) -> str:
    return f" ([datasheet](../data/{data}.md))" if data else " (drawn anew from a seed, no files)"


def _training(header: dict, drawn: dict[str, float]) -> str:
    if energy := header.get("energy"):
        return f"{_footprint(sum(energy['joules'].values()))}, metered as it was trained: {', '.join(energy['joules'])}"
    if "training joules" in drawn:
        return f"about {_footprint(drawn['training joules'])}, extrapolated from eight steps under the meter"
    return "not metered: it was trained before the course had a meter"


def _footprint(joules: float) -> str:
    return f"{in_words(joules, 'J')}, {in_words(co2e(joules), 'g')} CO2e at {WORLD:g} g/kWh"


def _drawing(drawn: dict[str, float]) -> str:
    if not drawn:
        return ""
    each = in_words(drawn["joules each"], "J")
    return f"{each} each, mean of {drawn['images']:.0f}: processor time on one core of a shared machine at 12 W"


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.4g}" for name, value in metrics.items())


def _shows(shown: dict[str, float]) -> str:
    """What the judge saw in the images drawn, with 95 % intervals of the shares."""
    n = int(shown.get("images", 0))
    told = ", ".join(f"{name} {counted(round(share * n), n)}" for name, share in shown.items() if name != "images")
    return f"Shares in {n} images, labels in turn, as the course's judge reads them: {told}." if n else ""


ROW = re.compile(r"^\| (what|source|author|licence|loader|rebuild) \| (.*) \|$", re.MULTILINE)
GAPS = re.compile(r"\*\*Known gaps\.\*\* (.*)", re.DOTALL)


def data_sheet(name: str, card: str, train: Sheet, test: Sheet, leaked: int) -> str:
    """The datasheet of one data set, in Markdown, in the order of Gebru et al.

    Parameters
    ----------
    name : str
    card : str
        Its hand-written card: where it comes from.
    train, test : Sheet
        Measured.
    leaked : int
        Test images that nearly equal a training image.
    """
    told, gaps = dict(ROW.findall(card)), GAPS.search(card)
    what = told["what"]
    composition = [
        "| split | images | shape | mean ± std (0..1) | repeated | nearly repeated |",
        "|---|---|---|---|---|---|",
        *(_line(split, found) for split, found in {"train": train, "test": test}.items()),
    ]
    parts = [
        f"# {name}",
        f"{what[0].upper()}{what[1:]}.",
        "**Motivation.** To teach with: small, free, and at hand without a network.",
        "**Composition.** As measured; “nearly” is within 0.02 (root mean square) at 8 × 8 pixels.",
        "\n".join(composition),
        f"Test images that nearly equal a training image: {leaked}.",
        "\n".join(_balance(attribute, values) for attribute, values in train.counts.items()),
        f"**Collection.** {told['author']}. From: {told['source']}.",
        f"**Preprocessing.** Rebuilt by {told['rebuild']}; its hashes stand on the [card](../../data/cards/{name}.md).",
        f"**Uses.** {told['loader']}. Known gaps: {' '.join(gaps.group(1).split()) if gaps else 'none stated'}",
        f"**Distribution.** {told['licence']}.",
        "**Maintenance.** With the course; this page is written by `course cards`.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _line(split: str, found: Sheet) -> str:
    shape = " × ".join(map(str, found.shape))
    spread = f"{found.mean:.3f} ± {found.std:.3f}"
    return f"| {split} | {found.images:,} | {shape} | {spread} | {found.repeated} | {found.near} |"


def _balance(attribute: str, values: dict[str, int]) -> str:
    least, most = min(values, key=values.get), max(values, key=values.get)
    total = sum(values.values())
    if len(values) == 1:
        return f"- {attribute}: always {most}"
    return (
        f"- {attribute}: {len(values)} values, from {least} ({values[least] / total:.1%}) "
        f"to {most} ({values[most] / total:.1%})"
    )
