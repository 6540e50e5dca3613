"""The first page: what the course is, and a picture a module."""

import json
import re
from pathlib import Path

from course_lib.notebooks.cover import cover

CARD = """\
:::{{container}} module
[![{alt}]({picture})]({page})

[{title}]({page})

{question}
:::
"""

CONTENTS = """\
```{{toctree}}
:caption: {caption}
:hidden:

{pages}
```
"""


def write(root: Path, target: Path, places: dict[str, str]) -> None:
    """Fill the page `index.md` and write the lists of cards that it leads to."""
    notebooks = [place for place in places.values() if place.startswith("notebooks/")]
    cards = [_card(target, place) for place in notebooks]
    lists = [_cards(target, places, kind) for kind in ("data", "models")]
    library = sorted(path.stem for path in (target / "reference").iterdir())
    rest = ["guide.md", "grading.md", "glossary.md", *filter(None, lists)]
    rest += ["training.md", "benchmarks.md", "contributing.md"]
    contents = {
        "Notebooks": notebooks,
        "Exercises": [place for place in places.values() if place.startswith("exercises/")],
        "Library": [f"reference/{name}.rst" for name in library],
        "More": [place for place in rest if (target / place).exists()],
    }
    index = target / "index.md"
    text = index.read_text(encoding="utf-8").replace("<!-- modules -->", "\n".join(cards))
    trees = [CONTENTS.format(caption=caption, pages="\n".join(pages)) for caption, pages in contents.items() if pages]
    index.write_text(text + "\n" + "\n".join(trees), encoding="utf-8")


def _card(target: Path, place: str) -> str:
    notebook = json.loads((target / place).read_text(encoding="utf-8"))
    png, alt = cover(notebook)
    picture = f"_static/covers/{Path(place).stem}.png"
    (target / picture).parent.mkdir(exist_ok=True)
    (target / picture).write_bytes(png)
    opening = "\n".join("".join(cell["source"]) for cell in notebook["cells"][:1])
    title = re.search(r"^# (.*)$", opening, re.M)
    question = re.search(r"\*\*(.+?)\*\*", opening, re.S)
    return CARD.format(
        alt=re.sub(r"[\[\]]", "", alt),
        picture=picture,
        page=place,
        title=title[1] if title else Path(place).stem,
        question=" ".join(question[1].split()) if question else "",
    )


def _cards(target: Path, places: dict[str, str], kind: str) -> str:
    """A page that leads to the cards of a kind; its place, or "" if there are none."""
    found = [place for place in places.values() if place.startswith(f"cards/{kind}/")]
    if not found:
        return ""
    page, title = f"cards/{kind}.md", {"data": "Data cards", "models": "Model cards"}[kind]
    lines = [f"- [{Path(place).stem}]({kind}/{Path(place).name}): {_what(target / place)}" for place in found]
    names = "\n".join(f"{kind}/{Path(place).name}" for place in found)
    tree = f"```{{toctree}}\n:hidden:\n\n{names}\n```"
    (target / page).write_text("\n\n".join([f"# {title}", OPENINGS[kind], "\n".join(lines), tree]), encoding="utf-8")
    return page


def _what(card: Path) -> str:
    """What a card is about: its first paragraph."""
    return card.read_text(encoding="utf-8").split("\n\n")[1].strip()


OPENINGS = {
    "data": "What each bundled data set holds, where it comes from, under which licence, and what it lacks.",
    "models": "What each model is for, on which data it was trained, how it was measured, and where it fails.",
}
