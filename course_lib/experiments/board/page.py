"""The board in the README: a table between two markers and a picture beside it, both written from the log.

The picture cannot be compared pixel by pixel, since another matplotlib draws other pixels; so the line that shows it
carries a digest of the numbers that it was drawn from, and is stale when they change.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from course_lib.experiments.board.figures import figure
from course_lib.experiments.board.rows import Row, rows, table

BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"
README, PICTURE = "README.md", "site/_static/leaderboard.png"


def write(root: Path, found: Sequence[Row] | None = None) -> None:
    """Write table and picture anew into a checkout."""
    found = rows() if found is None else found
    readme = root / README
    readme.write_text(replaced(readme.read_text(encoding="utf-8"), section(found)), encoding="utf-8")
    figure("drawing", found).save(root / PICTURE)


def stale(root: Path, found: Sequence[Row] | None = None) -> list[str]:
    """What in a checkout is not what the log says, by its path."""
    found = rows() if found is None else found
    text = (root / README).read_text(encoding="utf-8")
    missing = [] if (root / PICTURE).is_file() else [PICTURE]
    return missing + ([] if replaced(text, section(found)) == text else [README])


def section(found: Sequence[Row]) -> str:
    """What stands between the markers: the table, its caption and the picture with its alternative text."""
    alt = figure("drawing", found).alt
    return f"{table(found).markdown()}\n\n![{alt}]({PICTURE})\n<!-- drawn from {digest(found)} -->"


def digest(found: Sequence[Row]) -> str:
    """Twelve letters that change with any number of the board, of which four digits count: a processor rounds the rest.

    Examples
    --------
    >>> digest([]) == digest(rows())
    False
    """
    said = [[_rounded(value) for value in (*row, *row.excess)] for row in found]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def _rounded(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else None if isinstance(value, tuple) else value


def replaced(text: str, section: str) -> str:
    """A page with another section between its markers.

    Raises
    ------
    ValueError
        If the page has not exactly one pair of markers.
    """
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended) or BEGIN in rest or END in before + after:
        raise ValueError(
            f"the page must hold {BEGIN} and {END} once each, in this order: the board stands between them"
        )
    return f"{before}{BEGIN}\n{section}\n{END}{after}"
