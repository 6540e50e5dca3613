"""From a checkout to the finished site, in one call.

Sphinx runs in a process of its own: it changes much that is global, and only who builds the site needs it.
Notebooks are not executed; what they show is what is committed. A warning is an error, and so is a link to
nowhere, a request to another host, or a picture without words.
"""

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from course_lib.site import mathjax
from course_lib.site.links import pages, problems
from course_lib.site.sources import gather

PACKAGES = ("sphinx", "myst_nb", "sphinx_book_theme")


class SiteError(Exception):
    """The site could not be built as it should be; the message has a line for each problem."""


def build(root: Path, out: Path, script: Path | None = None) -> int:
    """Build the site of the checkout at `root` into `out`.

    Parameters
    ----------
    root, out : Path
        An earlier build in `out` is replaced.
    script : Path, optional
        A copy of MathJax 3's `tex-svg-full.js`; fetched with npm if not given.

    Returns
    -------
    int
        How many pages there are.

    Raises
    ------
    ModuleNotFoundError
        If a package of the extra `site` is missing.
    ValueError
        If there is neither npm nor a copy of MathJax, or `out` holds something else than a site.
    SiteError
        If Sphinx warns, or a page fails the check of `links`.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    _clear(out)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        gather(root, source)
        mathjax.place(source / "_static", script)
        finished = Path(folder) / "pages"  # beside which myst-nb leaves the pictures, once more
        _render(source, finished)
        shutil.copytree(finished, out)
    if found := problems(out):
        raise SiteError("\n".join(found))
    return len(pages(out))


def _clear(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / ".buildinfo").exists():
        raise ValueError(f"{out} is not empty, and what it holds is no site: give another folder")
    shutil.rmtree(out, ignore_errors=True)


def _render(source: Path, out: Path) -> None:
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--fresh-env", "--write-all"]
    command = [sys.executable, "-m", "sphinx", *options, "-d", str(source.parent / "doctrees"), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.replace(f"{source}/", "").strip()
        raise SiteError(told or f"sphinx ended with status {done.returncode}")
