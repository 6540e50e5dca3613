"""Which notebooks there are, and what each says that it takes."""

import ast
import json
import re
from pathlib import Path

from course_lib import places


def names() -> list[str]:
    """The notebooks that there are, in the course's order."""
    return sorted(path.stem for path in places.notebooks().glob("[0-9]*.ipynb"))


def find(name: str) -> Path:
    """The built notebook of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in names():
        raise ValueError(f"no notebook is called {name!r}; there are: {', '.join(names()) or 'none yet'}")
    return places.notebooks() / f"{name}.ipynb"


def minutes(path: Path) -> dict[str, float]:
    """Profile -> estimated minutes, as the notebook's own `setup(minutes={...})` states them; {} if it does not."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        stated = re.search(r"minutes=(\{[^}]*\})", "".join(cell["source"]))
        if stated and "bootstrap" in cell["metadata"].get("tags", []):
            return ast.literal_eval(stated[1])
    return {}
