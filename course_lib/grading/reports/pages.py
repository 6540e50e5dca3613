"""From a template to a page: one HTML file that asks nobody for anything and runs nothing.

Whatever a template writes out is escaped, and characters that cannot be seen are drawn (`text.visible`). If
that ever failed, the page's policy, which lets it load and run nothing, would hold.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from course_lib.grading.reports.text import plain, visible

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """The page that a template makes of these values.

    Parameters
    ----------
    template : str
        A file's name in templates/.
    **values
        What it speaks of.
    """
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    # Between the tags there must be these bytes and no other: a browser compares them with the policy's hash.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _environment().get_template(template).render(style=Markup(style), digest=digest, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "points": points}
    return environment


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def points(number: int) -> str:
    """A number with its noun.

    Examples
    --------
    >>> points(1), points(3)
    ('1 point', '3 points')
    """
    return f"{number} point{'' if number == 1 else 's'}"
