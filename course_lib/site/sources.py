"""Which files of the checkout become which pages, and how links between them are kept.

Each page keeps the text that GitHub shows. Only links change: what is a page of the site is linked there, what
is another file of the repository, at the repository's address. Notebooks keep their place (`notebooks/`,
`exercises/`), from which the theme's launch buttons make their addresses.
"""

import json
import re
import shutil
from pathlib import Path

from course_lib import places as house
from course_lib.site import home, pictures, reference

# Page -> where it lies in the site's sources, and the title that it has there, if another.
TEXTS = {
    "README.md": ("guide.md", "Install and use"),
    "exercises/README.md": ("grading.md", "Exercises and grading"),
    "benchmarks/README.md": ("benchmarks.md", "Benchmarks"),
    "TRAINING.md": ("training.md", None),
    "GLOSSARY.md": ("glossary.md", None),
    "CONTRIBUTING.md": ("contributing.md", None),
}


def gather(root: Path, target: Path) -> None:
    """Write the source folder that Sphinx reads."""
    shutil.copytree(root / "site", target)
    places, words = pages(root), {}
    link = Links(root, places)
    for name, place in places.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            shutil.copyfile(root / name, target / place)
            continue
        text = (root / name).read_text(encoding="utf-8")
        if name.endswith(".ipynb"):
            shown = json.loads(text)
            words |= pictures.words(shown)
            text = json.dumps(notebook(shown, link, name), ensure_ascii=False)
        else:
            title = TEXTS.get(name, (place, None))[1]
            text = link.rewritten(_titled(_without_gallery(text), title), name)
        (target / place).write_text(text, encoding="utf-8")
    (target / pictures.FILE).write_text(json.dumps(words), encoding="utf-8")
    reference.write(root, target / "reference")
    home.write(root, target, places)


def pages(root: Path) -> dict[str, str]:
    """Each file that becomes a page, or a picture on one -> its place in the site's sources."""
    found = {
        path.relative_to(root).as_posix(): f"{folder}/{path.name}"
        for folder in ("notebooks", "exercises")
        for path in sorted((root / folder).glob("[0-9]*.ipynb"))
    }
    found |= {name: place for name, (place, _) in TEXTS.items() if (root / name).exists()}
    found |= {path.relative_to(root).as_posix(): path.name for path in sorted((root / "benchmarks").glob("*.png"))}
    cards = sorted((root / "course_lib" / "cards").glob("*/*.md"))
    return found | {path.relative_to(root).as_posix(): f"cards/{path.parent.name}/{path.name}" for path in cards}


class Links:
    """Rewrites the links of a text, seen from where the text lies in the repository."""

    def __init__(self, root: Path, places: dict[str, str]) -> None:
        self.root, self.places, self.blob = root.resolve(), places, f"{house.repository()}/blob/main/"

    def rewritten(self, text: str, name: str) -> str:
        """The text of the file `name` with its links as the site needs them."""
        return re.sub(r"(?<=\]\()([^()\s]+)(?=\))", lambda match: self._target(match[1], name), text)

    def _target(self, link: str, name: str) -> str:
        path, mark, anchor = link.removeprefix(self.blob).partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return link
        base = self.root if link.startswith(self.blob) else (self.root / name).parent
        file = (base / path).resolve()
        if not file.is_relative_to(self.root) or not file.exists():
            return link  # Sphinx or the check of the finished pages will tell
        inside = file.relative_to(self.root).as_posix()
        up = "../" * self.places[name].count("/")
        if inside.startswith("site/"):
            return f"{up}{inside.removeprefix('site/')}"
        if inside not in self.places:
            return f"{self.blob}{inside}{mark}{anchor}"
        return f"{up}{self.places[inside]}{mark}{anchor}"


def notebook(cells: dict, link: Links, name: str) -> dict:
    """A notebook as the site shows it: without badges, because the theme has its own launch buttons."""
    kept = [cell for cell in cells["cells"] if "badges" not in cell["metadata"].get("tags", [])]
    for cell in kept:
        if cell["cell_type"] == "markdown":
            cell["source"] = link.rewritten("".join(cell["source"]), name)
    return cells | {"cells": kept}


def _titled(text: str, title: str | None) -> str:
    return re.sub(r"\A# .*", f"# {title}", text) if title else text


def _without_gallery(text: str) -> str:
    """A text without tables in HTML: the README shows a picture a module so, and the first page does it anew."""
    return re.sub(r"<table>.*?</table>\n*", "", text, flags=re.S)
