"""The words of a notebook's pictures, brought into the pages.

A notebook keeps them in the metadata of its outputs; myst-nb reads none from there. But it names each picture's
file after a hash of its bytes, by which the words find their picture again.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

FILE = "pictures.json"


def shown(notebook: dict) -> Iterator[tuple[dict, bytes, str]]:
    """The pictures of a notebook's outputs: the cell, the PNG, what it shows in words."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                png = base64.b64decode("".join(output["data"]["image/png"]))
                yield cell, png, output.get("metadata", {}).get("alt", "")


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
