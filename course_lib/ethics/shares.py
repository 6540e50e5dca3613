"""How sure is a share that was counted, and what if the counter errs?

"Eighty of a hundred samples" is an estimate: Wilson's interval (`verdicts.share_interval`) says of what. And whoever
counts with an instrument that errs at a known rate can undo the error (Rogan & Gladen 1978, Estimating Prevalence
from the Results of a Screening Test): the reader of our faces is such an instrument.
"""

from typing import NamedTuple

from course_lib.ethics.verdicts import share_interval


class Share(NamedTuple):
    """A share in [0, 1] between the bounds of its 95 % interval.

    Examples
    --------
    >>> print(Share(0.8, 0.711, 0.867))
    0.80 [0.71, 0.87]
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def counted(hits: int, n: int) -> Share:
    """The share of `hits` in `n` independent trials, with Wilson's interval.

    Examples
    --------
    >>> print(counted(80, 100))
    0.80 [0.71, 0.87]
    """
    return Share(hits / max(n, 1), *share_interval(hits, n))


def corrected(seen: Share, sensitivity: float, specificity: float) -> Share:
    """The true share behind one that an erring reader has counted (Rogan & Gladen 1978, eq. 1).

    The reader reports p' = p sensitivity + (1 - p) (1 - specificity). Solve for p, and at both bounds as well: the
    interval widens, because a reader that errs tells less.

    Parameters
    ----------
    seen : Share
        As it was reported.
    sensitivity, specificity : float in [0, 1]
        The share of what is there that is reported, and of what is not there that is not. Taken as known: measure
        them on many more images than were counted.

    Raises
    ------
    ValueError
        If the two do not exceed 1 together: such a reader is no better than a coin, and nothing can be undone.

    Examples
    --------
    >>> print(corrected(Share(0.74, 0.65, 0.82), sensitivity=0.9, specificity=0.9))
    0.80 [0.69, 0.90]
    """
    informed = sensitivity + specificity - 1
    if not (0 <= sensitivity <= 1 and 0 <= specificity <= 1 and informed > 0):
        raise ValueError(
            f"sensitivity and specificity must be shares that exceed 1 together, got {sensitivity} and {specificity}: "
            "a reader that is no better than a coin says nothing that could be corrected"
        )
    return Share(*(min(1.0, max(0.0, (share + specificity - 1) / informed)) for share in seen))
