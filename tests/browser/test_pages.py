"""The site's pages in a browser: nothing fails, nothing is asked of another host, nothing is wider than a phone."""

import html
import json
import re

import pytest

from course_lib import places
from course_lib.site import pictures

PAGES = [
    "index",
    "notebooks/03_diffusion",
    "exercises/03_diffusion",
    "reference/course_lib.diffusion",
    "cards/data/earth",
    "cards/models/fashion_flow",
    "glossary",
    "benchmarks",
    "guide",
    "genindex",
]
WIDEST = "() => Math.max(document.documentElement.scrollWidth, document.querySelector('.bd-article').scrollWidth)"
BROKEN = "() => [...document.images].filter(image => !image.naturalWidth).map(image => image.src)"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_opens_and_fits(site, watched, width):
    watched.page.set_viewport_size({"width": width, "height": 844})
    for name in PAGES:
        watched.open(site / f"{name}.html")
        assert watched.errors == [], name
        assert watched.outside == [], name
        assert watched.page.evaluate(WIDEST) <= width, name
        assert watched.page.evaluate(BROKEN) == [], name


def test_formulas_are_set(site, watched, mathjax):
    if not mathjax:
        pytest.skip("npm is not installed: the site was built without MathJax")
    watched.open(site / "notebooks" / "03_diffusion.html")
    assert watched.page.locator("mjx-container svg").count() > 50
    assert watched.page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert watched.outside == []


def test_the_first_page_leads_to_every_notebook_with_a_picture(site, watched):
    watched.open(site / "index.html")
    cards = watched.page.locator(".module")
    assert cards.count() == len(list((site / "notebooks").glob("*.html")))
    for card in cards.all():
        assert card.locator("img").get_attribute("alt")
        assert card.locator("a").last.get_attribute("href").startswith("notebooks/")


def test_the_rocket_leads_to_colab(site, watched):
    """The address that the badge in the notebook has, too."""
    for folder in ("notebooks", "exercises"):
        watched.open(site / folder / "03_diffusion.html")
        (address,) = watched.page.evaluate("() => [...document.querySelectorAll('a[href*=colab]')].map(a => a.href)")
        assert address.endswith(f"/generative-models-in-cv/course/blob/main/{folder}/03_diffusion.ipynb")


def test_every_picture_has_its_own_words_and_all_its_frames(site):
    """Read from the files, without a browser."""
    known = json.loads((places.notebooks() / "03_diffusion.ipynb").read_text(encoding="utf-8"))
    page = (site / "notebooks" / "03_diffusion.html").read_text(encoding="utf-8")
    found = {html.unescape(alt): src for alt, src in re.findall(r'<img alt="([^"]*)" src="\.\./(_images/[^"]*)"', page)}
    expected = {alt: png for _, png, alt in pictures.shown(known)}
    assert set(found) == set(expected)
    assert all((site / found[alt]).read_bytes() == png for alt, png in expected.items())


def test_nothing_is_left_beside_the_site(site):
    assert {path.name for path in site.parent.iterdir()} == {site.name, "no-mathjax.js"}
