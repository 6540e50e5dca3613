"""Is every link, every picture and every word for a picture there? Asked of the finished pages.

Within the site each address must lead to a file, and each anchor to a place in it. Links to other hosts are for
readers to follow; but nothing that a browser loads by itself may come from one, so that the pages can be read
without a network and tell nobody who reads them.
"""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("video", "src"), ("link", "href")}
NOT_LOADED = {"canonical", "alternate", "author", "license", "next", "prev", "search", "index"}  # of <link>, by rel


def problems(site: Path) -> list[str]:
    """A line for each thing that is wrong on a page below `site`; none if all is well."""
    site = site.resolve()
    found = [(page, told) for page in pages(site) for told in _wrong(page, site)]
    found += [(sheet, told) for sheet in sorted(site.rglob("*.css")) for told in _styled(sheet)]
    return [f"{file.relative_to(site)}: {told}" for file, told in found]


def pages(site: Path) -> list[Path]:
    """The pages of a finished site; what lies in `_static` are the theme's templates."""
    return [page for page in sorted(site.rglob("*.html")) if "_static" not in page.relative_to(site).parts]


def _styled(file: Path) -> Iterator[str]:
    """What style rules load, from a style sheet or from within a page."""
    for address in re.findall(r"""url\(\s*["']?((?:https?:)?//[^"')]+)""", file.read_text(encoding="utf-8")):
        yield f"loads from another host: {address}"


def _wrong(page: Path, site: Path) -> Iterator[str]:
    yield from _styled(page)
    for tag, attributes in _read(page).tags:
        if tag == "img" and not (attributes.get("alt") or "").strip():
            yield f"a picture without words: {(attributes.get('src') or '')[:80]}"
        for name in ("href", "src"):
            if address := attributes.get(name):
                loads = (tag, name) in LOADED and not NOT_LOADED & set((attributes.get("rel") or "").split())
                yield from _followed(address, page, site, loads)


def _followed(address: str, page: Path, site: Path, loads: bool) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        if loads and parts.scheme != "data":
            yield f"loads from another host: {address}"
        return
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    file = file / "index.html" if file.is_dir() else file
    if not file.is_relative_to(site) or not file.exists():
        yield f"leads nowhere: {address}"
    elif parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in _read(file).anchors:
        yield f"leads to no place on its page: {address}"


class _Page(HTMLParser):
    """The tags that carry an address, and the places that one can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.anchors = {"", "top"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := attributes.get(name))}
        if tag == "img" or {"href", "src"} & set(attributes):
            self.tags.append((tag, attributes))


@cache
def _read(page: Path) -> _Page:
    parsed = _Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    return parsed
