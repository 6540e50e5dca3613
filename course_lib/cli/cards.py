"""course cards: a model card for every shipped checkpoint, a datasheet for every bundled data set."""

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from course_lib import experiments
from course_lib.checkpoints import SUFFIX, WEIGHTS, available, info, pretrained
from course_lib.data import BUNDLED, load
from course_lib.ethics.cards import Facts, data_sheet, model_card
from course_lib.ethics.datasheet import leaked, sheet

CARDS = Path(str(files("course_lib") / "cards"))


def cards(options) -> int:
    """Write all cards, or with --check say which are not up to date."""
    stale = 0
    for path, text in written():
        card = CARDS / path
        if options.check:
            if not card.is_file() or card.read_text(encoding="utf-8") != text:
                print(f"course_lib/cards/{path} is not up to date: course cards", file=sys.stderr)
                stale = 1
            continue
        card.parent.mkdir(parents=True, exist_ok=True)
        card.write_text(text, encoding="utf-8")
        print(card)
    return stale


def written() -> Iterator[tuple[Path, str]]:
    """Each card as (path, text), as the command would write it now."""
    for name in available():
        yield Path("models") / f"{name}.md", model_card(facts(name))
    for name in BUNDLED:
        yield Path("data") / f"{name}.md", _data_sheet(name)


def facts(name: str) -> Facts:
    """What a checkpoint, its recipe and the logs say of a model."""
    header = info(name)
    recipe = import_module(f"course_lib.recipes.{header['recipe']}")
    summary = " ".join(recipe.__doc__.split("\n\n")[0].split(":", 1)[1].split())
    parameters = sum(p.numel() for p in pretrained(name).parameters())
    size = (WEIGHTS / f"{name}{SUFFIX}").stat().st_size
    logs = (logged(experiment, name) for experiment in ("energy", "audit"))
    return Facts(name, summary[0].upper() + summary[1:], header, parameters, recipe.STEPS, size, *logs)


def logged(experiment: str, name: str) -> dict[str, float]:
    """What an experiment found for a model, if it was run since the model came."""
    runs = experiments.read(experiment) if experiment in experiments.available() else []
    return next((run.results for run in runs if run.name == name), {})


def _data_sheet(name: str) -> str:
    card = (files("course_lib.data") / "cards" / f"{name}.md").read_text(encoding="utf-8")
    train, test = load(name), load(name, "test")
    return data_sheet(name, card, sheet(train), sheet(test), leaked(train, test))
