"""Where the course's files lie, in a checkout and in an installed package alike.

A checkout has `notebooks/`, `exercises/` and `tests/checks/` beside the package; a wheel carries them
inside, under `course_lib/shipped/`, so that an installed course works without a clone.
"""

import importlib.metadata
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
DISTRIBUTION = "course-lib"


def checkout() -> Path | None:
    """The root of the checkout that this package runs from, or None where it is installed."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").exists() else None


def notebooks() -> Path:
    """The folder of the built notebooks."""
    return _folder("notebooks", "notebooks")


def exercises() -> Path:
    """The folder of the student editions."""
    return _folder("exercises", "exercises")


def checks() -> Path:
    """The folder of the public tests."""
    return _folder("tests/checks", "checks")


def _folder(in_checkout: str, in_wheel: str) -> Path:
    root = checkout()
    return root / in_checkout if root else PACKAGE / "shipped" / in_wheel


def repository() -> str:
    """The course's address. It stands once, in pyproject.toml, whence an installed package knows it too."""
    if root := checkout():
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    urls = importlib.metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    return dict(url.split(", ", 1) for url in urls)["Repository"]
