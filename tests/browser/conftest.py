"""A real browser: Debian's chromium, driven by playwright. Where either is missing, these tests are skipped."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.watched import Watched

from course_lib.cli import main

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
CONTAINED = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # for root, without a screen, in a container


@pytest.fixture(scope="session")
def chromium():
    """The browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*CONTAINED, *QUIET])
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium) -> Iterator[Watched]:
    """An empty page whose errors and requests are noted."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    yield Watched(context.new_page())
    context.close()


@pytest.fixture(scope="session")
def mathjax() -> bool:
    """Whether npm is there to fetch MathJax."""
    return shutil.which("npm") is not None


@pytest.fixture(scope="session")
def site(tmp_path_factory, mathjax) -> Path:
    """The site of this checkout, built by the command; without npm its formulas stay as they are written."""
    pytest.importorskip("sphinx_book_theme", reason="the extra site is not installed")
    folder = tmp_path_factory.mktemp("site")
    stand_in = folder / "no-mathjax.js"
    stand_in.touch()
    command = ["site", "--out", str(folder / "pages")]
    assert main(command if mathjax else [*command, "--mathjax", str(stand_in)]) == 0
    return folder / "pages"
