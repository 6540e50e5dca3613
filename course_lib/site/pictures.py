"""The words of a notebook's pictures, brought into the pages.

A notebook keeps them in the metadata of its outputs; myst-nb reads none from there. But it names each picture's
file after a hash of its bytes, by which the words find their picture again.
"""

import hashlib
import json
from pathlib import Path

from course_lib.notebooks.cover import shown

FILE = "pictures.json"


def words(notebook: dict) -> dict[str, str]:
    """Hash of a picture -> what it shows."""
    return {hashlib.sha256(png).hexdigest(): alt for _, png, alt in shown(notebook)}


def setup(app) -> dict[str, bool]:
    """Make this module a Sphinx extension."""
    app.connect("doctree-read", _describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _describe(app, doctree) -> None:
    known = json.loads((Path(app.srcdir) / FILE).read_text(encoding="utf-8"))
    for image in doctree.findall(lambda node: node.tagname == "image"):
        image.setdefault("alt", known.get(Path(image["uri"]).stem, ""))
