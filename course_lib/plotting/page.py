"""Where tiles and titles stand on a page, to the pixel."""

import math
from collections.abc import Sequence

from PIL import Image

from course_lib.plotting.picture import PAPER, lettering

GAP = 4  # between tiles


def headings(titles: Sequence[str] | None, columns: int, width: int) -> list[list[Image.Image]]:
    """Titles by row: one row of them above the columns, or one above each row of images."""
    images = [lettering(str(title), width, align="centre") for title in titles or ()]
    return [images[i : i + columns] for i in range(0, len(images), columns)]


def row_headings(row_titles: Sequence[str] | None) -> list[Image.Image]:
    """Titles to the left of each row."""
    return [lettering(str(title), 150, align="right") for title in row_titles or ()]


def composed(
    tiles: list[Image.Image], columns: int, heads: list[list[Image.Image]], sides: list[Image.Image], gap: int = GAP
) -> Image.Image:
    """Tiles in rows, with the titles that belong to them."""
    width, height = tiles[0].size
    cell = max([width, *(head.width for row in heads for head in row)])  # a long word is wider than its tile
    above = [max(head.height for head in row) + 2 for row in heads]
    left = max((side.width + 3 * gap for side in sides), default=gap)
    rows = math.ceil(len(tiles) / columns)
    page = Image.new("RGB", (left + columns * (cell + gap), gap + sum(above) + rows * (height + gap)), PAPER)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        middle = left + column * (cell + gap) + cell // 2
        top = gap + sum(above[: row + 1]) + row * (height + gap)
        page.paste(tile, (middle - width // 2, top))
        if row < len(heads):
            head = heads[row][column]
            page.paste(head, (middle - head.width // 2, top - head.height - 1))
        if sides and not column:
            page.paste(sides[row], (left - 2 * gap - sides[row].width, top + (height - sides[row].height) // 2))
    return page


def padded(tile: Image.Image, width: int, height: int) -> Image.Image:
    """A tile on a larger sheet, at its top, in the middle."""
    page = Image.new("RGB", (width, height), PAPER)
    page.paste(tile, ((width - tile.width) // 2, 0))
    return page


def one_palette(pages: list[Image.Image], colours: int = 64) -> list[Image.Image]:
    """The frames in few colours: a third of the size. An animated PNG has one palette for all of them."""
    width, height = pages[0].size
    roll = Image.new("RGB", (width, height * len(pages)))
    for i, page in enumerate(pages):
        roll.paste(page, (0, i * height))
    palette = roll.quantize(colours, dither=Image.Dither.NONE)
    return [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
