"""The picture that stands for a notebook: on the site's first page and in the README.

It is what the notebook shows below the cell tagged `cover`; of a notebook without that tag, the last animation, else
the last picture. `course build` keeps a copy beside the notebooks, since a README cannot look into a notebook.
"""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image


def shown(notebook: dict) -> Iterator[tuple[dict, bytes, str]]:
    """The pictures of a notebook's outputs: the cell, the PNG, what it shows in words."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                png = base64.b64decode("".join(output["data"]["image/png"]))
                yield cell, png, output.get("metadata", {}).get("alt", "")


def cover(notebook: dict) -> tuple[bytes, str]:
    """The picture that stands for a notebook, and its words.

    Raises
    ------
    ValueError
        If the notebook shows no picture at all.
    """
    found = list(shown(notebook))
    if not found:
        raise ValueError("a notebook needs a picture for the first page, and this one shows none")
    tagged = [entry for entry in found if "cover" in entry[0]["metadata"].get("tags", [])]
    moving = [entry for entry in found if getattr(Image.open(io.BytesIO(entry[1])), "n_frames", 1) > 1]
    _, png, alt = (tagged or moving or found)[-1]
    return png, alt


def copy(path: Path) -> Path:
    """Where the cover of the notebook at `path` is kept: covers/NAME.png beside it."""
    return path.parent / "covers" / f"{path.stem}.png"


def keep(path: Path) -> None:
    """Write the copy; of a notebook without pictures there is none."""
    if png := _of(path):
        copy(path).parent.mkdir(exist_ok=True)
        copy(path).write_bytes(png)


def kept(path: Path) -> bool:
    """Whether the copy is what the notebook shows."""
    png = _of(path)
    return not png or (copy(path).exists() and copy(path).read_bytes() == png)


def _of(path: Path) -> bytes:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return cover(notebook)[0] if any(shown(notebook)) else b""
