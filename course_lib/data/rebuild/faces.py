"""Rebuild the faces atlas: `python -m course_lib.data.rebuild.faces FOLDER`, with resvg-py installed.

FOLDER is a node_modules that holds @dicebear/pixel-art 9.4.3. Each component is a template of SVG
with a place for its colour. It is drawn with black, c = 0, and with white, c = 1, which gives alpha,
offset and gain; then 500 random faces are drawn whole and compared with their stacks of layers.
"""

import io
import re
import sys
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from course_lib.data.faces import OPTIONAL, PALETTES, SLOTS
from course_lib.data.rebuild.write import save_arrays

TEMPLATE = re.compile(r"^\s*([a-z]+)(\d\d): \(components, colors\) => `(.*)`,?$", re.MULTILINE)
COLOUR = re.compile(r"\$\{escape\.xml\(`\$\{colors\.(\w+)\}`\)\}")
SKIN = re.compile(r"body: `(.*?)\$\{\(_b")


def main(folder: Path) -> None:
    bodies = {slot: components(folder / "@dicebear" / "pixel-art" / "lib", slot) for slot in SLOTS}
    stored = {}
    for slot, shapes in bodies.items():
        stored[slot] = np.stack([layer(body) for body in shapes.values()])
        stored[f"{slot} names"] = np.array(list(shapes))
    save_arrays("faces.npz", **stored)
    print(f"{sum(map(len, bodies.values())) - len(OPTIONAL)} layers, worst pixel off by {worst(bodies)} of 255")


def components(lib: Path, slot: str) -> dict[str, str]:
    """The SVG bodies of a slot by name, "{}" where the colour goes, in alphabetical order."""
    if slot == "skin":
        return {"skin": COLOUR.sub("{}", SKIN.search((lib / "index.js").read_text(encoding="utf-8"))[1])}
    found = TEMPLATE.findall((lib / "components" / f"{slot}.js").read_text(encoding="utf-8"))
    stem = {"variant": slot}
    shapes = {f"{stem.get(kind, kind)} {number}": COLOUR.sub("{}", body) for kind, number, body in found}
    none = {"none": ""} if slot in OPTIONAL else {}
    return none | dict(sorted(shapes.items()))


def layer(body: str) -> np.ndarray:
    """Alpha, gain and offset (red, green, blue) of a layer, uint8 (16, 16, 5)."""
    black, white = drawn(body.replace("{}", "#000000")), drawn(body.replace("{}", "#ffffff"))
    if not np.array_equal(black[..., 3], white[..., 3]):
        raise ValueError("the alpha of a layer depends on its colour: it cannot be recoloured linearly")
    return np.concatenate([black[..., 3:], (white - black)[..., :1], black[..., :3]], -1)


def drawn(body: str) -> np.ndarray:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" shape-rendering="crispEdges" '
        f'width="16" height="16">{body}</svg>'
    )
    return np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA"))


def worst(bodies: dict[str, dict[str, str]], n: int = 500) -> int:
    """The largest difference between stacked layers and whole drawings of random faces."""
    from course_lib.data.faces import faces

    data, largest = faces(n, seed=0), 0
    for i in range(n):
        face = data.describe(i)
        svg = '<path fill="#fff" d="M0 0h16v16H0z"/>'
        for slot in SLOTS:
            colour = PALETTES[slot][face["skin" if slot == "skin" else f"{slot} colour"]]
            svg += bodies[slot]["skin" if slot == "skin" else face[slot]].replace("{}", "#" + colour)
        whole = drawn(svg)[..., :3].astype(int)
        largest = max(largest, np.abs(whole - data.pixels[i].permute(1, 2, 0).numpy()).max())
    return int(largest)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
