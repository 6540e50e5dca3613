"""Draw icons of an Iconify package: a JSON of SVG bodies, drawn with resvg-py."""

import io
import json
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

OVERSAMPLED = 8


class Icons:
    """An Iconify package: `folder` holds its icons.json and chars.json."""

    def __init__(self, folder: Path) -> None:
        self.set = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        chars = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
        self.by_code = {plain(code): name for code, name in chars.items()}

    def draw(self, name: str, size: int) -> np.ndarray:
        """One icon on white, uint8 (size, size, 3): drawn eight times as large, then averaged."""
        icon = self.set["icons"][name]
        side = [icon.get(key) or self.set.get(key) or 16 for key in ("width", "height")]
        corner = icon.get("left", 0), icon.get("top", 0)
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{corner[0]} {corner[1]} {side[0]} {side[1]}" '
            f'width="{size * OVERSAMPLED}" height="{size * OVERSAMPLED}">{icon["body"]}</svg>'
        )
        return on_white(svg, size)


def on_white(svg: str, size: int) -> np.ndarray:
    drawn = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    white = Image.new("RGBA", drawn.size, "white")
    white.alpha_composite(drawn)
    return np.asarray(white.convert("RGB").resize((size, size), Image.Resampling.BOX))


def plain(code: str) -> str:
    """A Unicode sequence without its variation selectors, in small letters: how packages agree."""
    return code.lower().replace("-fe0f", "")
