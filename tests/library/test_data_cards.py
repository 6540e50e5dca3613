"""Each atlas has a card that states its hash, a script that rebuilds it, and a loader; all of them fit the budget."""

import hashlib
import re
from importlib.resources import files

import pytest

from course_lib.data import BUNDLED, load

DATA = files("course_lib.data")
ROW = re.compile(r"^\| (\S+\.\w+) \| (\d+) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def card(name):
    return (DATA / "cards" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BUNDLED)
def test_card_states_the_files_as_they_are(name):
    rows = ROW.findall(card(name))
    assert rows
    for file, size, digest in rows:
        content = (DATA / "atlases" / file).read_bytes()
        assert len(content) == int(size)
        assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.parametrize("name", BUNDLED)
def test_card_says_what_one_must_know(name):
    text = card(name)
    for heading in ("| what |", "| source |", "| author |", "| licence |", "| loader |", "| rebuild |"):
        assert heading in text
    for heading in ("**Holds.**", "**Splits.**", "**Known gaps.**"):
        assert heading in text
    assert f"course_lib.data.rebuild.{name}" in text
    assert (DATA / "rebuild" / f"{name}.py").is_file()


@pytest.mark.parametrize("name", BUNDLED)
def test_loader(name):
    train, test = load(name), load(name, "test")
    assert len(train) > len(test) > 0


def test_every_file_is_on_a_card():
    stated = {file for name in BUNDLED for file, _, _ in ROW.findall(card(name))}
    assert {file.name for file in (DATA / "atlases").iterdir()} == stated
    assert {file.name for file in (DATA / "cards").iterdir()} == {f"{name}.md" for name in BUNDLED}


def test_budget():
    total = sum(len(file.read_bytes()) for file in (DATA / "atlases").iterdir())
    assert total <= 9_000_000
