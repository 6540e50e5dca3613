"""A picture that travels: PNG bytes and what they show, in words.

Notebooks, GitHub, Colab and exported pages all show a PNG. The alternative text goes with it as
metadata of the output (nbconvert's classic template makes it the image's alt), as the text for a
reader without pictures, and as the Description inside the file.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

INK, MUTED, PAPER = "#1f1f1f", "#555555", "#ffffff"
WIDTH = 720  # pixels that a notebook shows without shrinking
LINE = 1.35  # line height over font size
UNSEEN = 0.1  # of 255: a mean change of a picture that nobody sees


@dataclass(frozen=True)
class Picture:
    """What every drawing function returns.

    Attributes
    ----------
    png : bytes
        The file. An animation is an animated PNG, which every browser plays.
    alt : str
        What it shows, for those who do not see it.
    """

    png: bytes = field(repr=False)
    alt: str

    @property
    def image(self) -> Image.Image:
        """For Pillow; the first frame of an animation."""
        return Image.open(io.BytesIO(self.png)).convert("RGB")

    def save(self, path: Path | str) -> None:
        """Write the PNG file."""
        Path(path).write_bytes(self.png)

    def html(self) -> str:
        """An img element that holds the picture and its alternative text."""
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{self._base64()}">'

    def _base64(self) -> str:
        return base64.b64encode(self.png).decode()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self._base64(), "text/plain": self.alt}, {"image/png": {"alt": self.alt}, "alt": self.alt}


def encode(image: Image.Image, alt: str, later: Sequence[Image.Image] = (), **animated) -> Picture:
    """A Picture of a Pillow image; `later` frames make it an animation."""
    info, file = PngInfo(), io.BytesIO()
    info.add_itxt("Description", described(alt))
    frames = {"save_all": True, "append_images": list(later), **animated} if later else {}
    image = image if later else _lean(image)
    image.save(file, "PNG", pnginfo=info, optimize=not later, **frames)
    return Picture(file.getvalue(), alt)


def _lean(image: Image.Image) -> Image.Image:
    """The same picture in fewer bytes: grey as grey, and a chart's few colours, all but exactly, as a palette.

    Notebooks are stored with their pictures, and the course with its notebooks; this halves them. A
    photograph that a palette would change stays as it is.
    """
    pixels = np.asarray(image.convert("RGB"))
    if (pixels == pixels[..., :1]).all():
        return image.convert("L")
    few = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    changed = np.abs(np.asarray(few.convert("RGB"), np.int16) - pixels).mean()
    return few if changed <= UNSEEN else image


def described(alt: str) -> str:
    """The alternative text, if there is one."""
    if not isinstance(alt, str) or len(alt.split()) < 2:
        raise ValueError(f"alt must say in words what the picture shows, for readers who do not see it; got {alt!r}")
    return alt


def captioned(image: Image.Image, caption: str | None) -> Image.Image:
    """The image with a caption below it."""
    if not caption:
        return image
    text = lettering(caption, max(image.width - 16, 240), colour=MUTED)
    page = Image.new("RGB", (max(image.width, text.width + 16), image.height + text.height + 14), PAPER)
    page.paste(image, (0, 0))
    page.paste(text, (8, image.height + 6))
    return page


def lettering(text: str, width: int, *, size: int = 13, colour: str = INK, align: str = "left") -> Image.Image:
    """Text on paper, wrapped to a width in pixels."""
    font, step = _font(size), round(size * LINE)
    lines = [line for part in text.splitlines() or [""] for line in _wrapped(part, width, font)]
    page = Image.new("RGB", (max(1, *(_length(font, line) for line in lines)), step * len(lines)), PAPER)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        x = 0 if align == "left" else (page.width - font.getlength(line)) * (0.5 if align == "centre" else 1)
        draw.text((x, row * step), line, colour, font)
    return page


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _length(font: ImageFont.FreeTypeFont, line: str) -> int:
    return int(font.getlength(line)) + 2


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
