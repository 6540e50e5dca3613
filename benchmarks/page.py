"""Tables for the README, written from the results between markers: no number in them is typed by hand."""

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from benchmarks import figures, goals, scans_page
from benchmarks.words import number, spread

PARTS = ("unet", "sampling", "dit", "gan", "decoding", "metrics", "batches", "start", "ssms", "ssms_video")
HEAD = "| | ms | a second | times ours | GFLOP | of the floor |\n|---|---|---|---|---|---|"
OTHERS: dict[str, Callable[[dict], str]] = {"ssms": scans_page.scans, "ssms_video": scans_page.video}


def write(folder: Path, readme: Path) -> None:
    """Bring the page in `folder` up to date with the results there; where there is none, write a plain one."""
    results = read(folder)
    figures.write(folder, results)
    text = readme.read_text(encoding="utf-8")
    if folder != readme.parent:
        text = "# Results\n\n" + "\n\n".join(f"<!-- {name} -->\n<!-- /{name} -->" for name in results) + "\n"
    (folder / "README.md").write_text(filled(text, results), encoding="utf-8")


def read(folder: Path) -> dict[str, dict]:
    """Name -> results, of all that have a table, in the order of the parts."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"), key=_place)
    }
    return {name: result for name, result in found.items() if "rows" in result or name in OTHERS}


def _place(path: Path) -> tuple[int, str]:
    part = path.stem.removesuffix("_cuda")
    return (PARTS.index(part) if part in PARTS else len(PARTS)), path.stem


def filled(text: str, results: dict[str, dict]) -> str:
    """The text with each result's tables between its markers; what has no markers stays out.

    Examples
    --------
    >>> filled("<!-- a -->old<!-- /a -->", {"b": {"rows": []}})
    '<!-- a -->old<!-- /a -->'
    """
    for name, result in results.items():
        text = _between(text, name, lambda name=name, result=result: said(name, result))
    return _between(text, "goals", lambda: goals.table(results))


def _between(text: str, name: str, told: Callable[[], str]) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in text:
        return text
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{told()}\n{end}{rest.split(end, 1)[1]}"


def said(name: str, result: dict) -> str:
    """A result in words and tables."""
    return OTHERS[name](result) if name in OTHERS else f"{origin(result)}\n\n{table(result['rows'])}"


def origin(result: dict) -> str:
    """When and on what, in a line."""
    machine = result["machine"]
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)} of {machine['cores']} cores"
    packages = ", ".join(f"{name} {version}" for name, version in result["packages"].items())
    return (
        f"{result['date']}, {machine['device']} ({machine['instructions']}), {threads}, load {machine['load'][0]}, "
        f"torch {machine['torch']}, {packages}; {result['rounds']} rounds."
    )


def table(rows: list[dict]) -> str:
    """A line for each who took part, below a line for each contest."""
    lines = [HEAD]
    for what, group in groupby(rows, key=lambda row: row["what"]):
        lines.append(f"| **{what}** | | | | | |")
        lines += [f"| {' | '.join(_cells(row))} |" for row in group]
    return "\n".join(lines)


def _cells(row: dict) -> list[str]:
    return [
        row["who"],
        spread(row["ms"]),
        number(row["a second"]) if "a second" in row else "",
        spread(row["times ours"]) if "times ours" in row else "",
        number(row["GFLOP"]) if row.get("GFLOP") else "",
        spread(row["of the floor"]) if "of the floor" in row else "",
    ]
