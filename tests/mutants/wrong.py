"""A mutant is an edit of the reference solution: in the cell of its task, `old` becomes `new`.

An edit that no longer applies is an error, so a table of mutants cannot fall behind its master.
"""

from typing import NamedTuple


class Wrong(NamedTuple):
    """One wrong answer.

    Attributes
    ----------
    task : str
    old, new : str
        The edit of the solution.
    hint : str
        Part of the sentence that the learner must be told.
    """

    task: str
    old: str
    new: str
    hint: str
