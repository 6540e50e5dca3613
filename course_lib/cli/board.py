"""course leaderboard: the board in the README, from its log."""

import sys

from course_lib import places


def leaderboard(options) -> int:
    """Write the README's table and picture, or with --check say what is not up to date."""
    from course_lib.experiments.board import page

    root = places.checkout()
    if root is None:
        raise ValueError("this works in a checkout of the course only: an installed one has no README to write into")
    if options.check:
        stale = page.stale(root)
        for path in stale:
            print(f"{path} does not show the log's numbers: course leaderboard", file=sys.stderr)
        return int(bool(stale))
    page.write(root)
    print(page.README, page.PICTURE, sep="\n")
    return 0
