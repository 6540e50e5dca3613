"""The leaderboard: read the log, and show it.

    board.rows()            what was measured, best first: plain numbers
    board.table()           the same as a table, which a notebook shows and which prints as Markdown
    board.figure("drawing") quality against what an image costs; "training": against what the model cost

`course log leaderboard` measures anew, `course leaderboard` writes table and figure into the README.
"""

from course_lib.experiments.board.figures import figure
from course_lib.experiments.board.rows import Row, rows, table

__all__ = ["Row", "figure", "rows", "table"]
