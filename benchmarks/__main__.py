"""Measure the course beside what a user would pick otherwise.

    python -m benchmarks                      # everything, on one thread: some 20 minutes
    python -m benchmarks unet dit --rounds 9  # parts
    python -m benchmarks --device cuda        # the same on a GPU; its results stand beside those of the CPU
    python -m benchmarks --page               # measure nothing, only write the tables and the figure anew

Each part writes a JSON of its name into the folder `--out`, where what was measured before stays, and then the tables
and the figure of README.md are written anew from all of them. With another folder than this one, nothing here changes:
the page is written there.
"""

import argparse
import json
from datetime import date
from importlib import import_module
from pathlib import Path

import torch

from benchmarks import page, peers
from benchmarks.contest import Setting
from benchmarks.page import PARTS
from benchmarks.timing import machine, versions

HERE = Path(__file__).parent


def measured(part: str, setting: Setting) -> dict:
    """What a part's JSON holds: when, on what and beside whom, and its rows; or what it says itself."""
    torch.manual_seed(0)
    module = import_module(f"benchmarks.{part}")
    if part in page.OTHERS:
        return module.measured(setting)
    rows = list(module.run(setting))
    there = versions(peers.PACKAGES)
    return {
        "date": date.today().isoformat(),
        "machine": machine(setting.device),
        "rounds": setting.rounds,
        "packages": there,
        "missing": sorted({*peers.PACKAGES} - {*there}),
        "rows": rows,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is given")
    parser.add_argument("--rounds", type=int, default=7, help="that count; one more warms up")
    parser.add_argument("--out", type=Path, default=HERE, help="where the results and the page go")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--smoke", action="store_true", help="small sizes and one round, to see that all runs")
    parser.add_argument("--page", action="store_true", help="write the page only")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {*PARTS}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.smoke and options.out == HERE:
        parser.error("a smoke run measures nothing: choose another folder with --out")
    torch.set_num_threads(1)
    setting = Setting(torch.device(options.device), 1 if options.smoke else options.rounds, options.smoke)
    options.out.mkdir(parents=True, exist_ok=True)
    for part in [] if options.page else options.parts or PARTS:
        found = measured(part, setting)
        file = options.out / (f"{part}.json" if options.device == "cpu" else f"{part}_{options.device}.json")
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(page.said(part, found), flush=True)
    page.write(options.out, HERE / "README.md")


if __name__ == "__main__":
    main()
