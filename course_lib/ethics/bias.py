"""A data set is skewed: what does a model make of it?

Plant a correlation of known strength: of the faces with one label, four in five have an attribute, of the others one
in five. A faithful model draws the same four in five. Guidance does not: to follow a label s times as strongly is to
draw from p(x) (p(x | label) / p(x))^s, and odds that are 4 to 1 in the data become 4^s to 1. What we want is usually
neither, but one half; `fairness` has two ways there.

Attributes of samples are counted by a reader that errs; its errors, measured on images whose attributes we know,
are taken out of every share (`shares.corrected`). An audit is a table: what stands in the data, what is drawn.

Zhao et al. 2017, Men Also Like Shopping, for amplification; Bianchi et al. 2023, Easily Accessible Text-to-Image
Generation Amplifies Demographic Stereotypes at Large Scale, for what it is in deployed models.
"""

from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from course_lib.ethics.shares import Share, corrected, counted

Flags = Bool[Tensor, " n"]


def sharpened(share: float, base: float, scale: float) -> float:
    """The share of an attribute that guidance aims at, from the share under a label and the share in all.

    Guidance draws from p(x) (p(x | label) / p(x))^scale. If the attribute is all that a label changes, then its
    odds are base odds times (odds / base odds)^scale. Samplers only follow this target roughly: the field of the
    guided density at noise is not the guided field (Bradley & Nakkiran 2024).

    Parameters
    ----------
    share, base : float in (0, 1)
        Of the attribute, under the label and in all data.
    scale : float
        Of the guidance.

    Examples
    --------
    >>> [round(sharpened(0.8, 0.5, scale), 3) for scale in (0, 1, 2, 4)]
    [0.5, 0.8, 0.941, 0.996]
    """
    if not (0 < share < 1 and 0 < base < 1):
        raise ValueError(f"shares must lie between 0 and 1, got {share} and {base}: certain things have no odds")
    odds, usual = share / (1 - share), base / (1 - base)
    guided = usual * (odds / usual) ** scale
    return guided / (1 + guided)


class Reading(NamedTuple):
    """How a reader of one attribute errs, counted on images whose attribute is known.

    Attributes
    ----------
    sensitivity, specificity : float
        Of the images with the attribute, the share that it reports; of those without, the share that it does not.
    n : int
        On how many images.
    """

    sensitivity: float
    specificity: float
    n: int


def reading(reported: Flags, true: Flags) -> Reading:
    """The errors of a reader that reported this of images whose attribute is known.

    Examples
    --------
    >>> import torch
    >>> reading(torch.tensor([True, True, False, False]), torch.tensor([True, True, True, False]))
    Reading(sensitivity=0.6666666865348816, specificity=1.0, n=4)
    """
    if reported.shape != true.shape or not true.any() or true.all():
        raise ValueError("a reader is judged on images with the attribute and on images without it, one report each")
    right = (reported == true).float()
    return Reading(right[true].mean().item(), right[~true].mean().item(), len(true))


def share_of(reported: Flags, errors: Reading | None = None) -> Share:
    """The share of an attribute in samples, with the reader's errors taken out and a 95 % interval."""
    seen = counted(int(reported.sum()), len(reported))
    return corrected(seen, errors.sensitivity, errors.specificity) if errors else seen


class Audited(NamedTuple):
    """One line of an audit: the share of an attribute among the images with one label.

    Attributes
    ----------
    label : str
    data : float
        In the data.
    drawn : Share
        In the samples.

    Examples
    --------
    >>> print(Audited("hat", 0.8, Share(0.94, 0.91, 0.96)))
    hat: data 0.80, drawn 0.94 [0.91, 0.96], amplified by +0.14
    """

    label: str
    data: float
    drawn: Share

    @property
    def amplification(self) -> float:
        """How much further from one half than the data, in the data's direction; below 0, the skew shrank or turned."""
        away = 1 if self.data >= 0.5 else -1
        return away * (self.drawn.value - self.data)

    def __str__(self) -> str:
        return f"{self.label}: data {self.data:.2f}, drawn {self.drawn}, amplified by {self.amplification:+.2f}"


def audit(asked: Tensor, reported: Flags, errors: Reading, data: dict[str, float]) -> list[Audited]:
    """What was drawn for each label, beside what stands in the data.

    Parameters
    ----------
    asked : Tensor, int64, (N,)
        The label that each sample was asked for: index into `data`.
    reported : Tensor, bool, (N,)
        Whether the reader saw the attribute.
    errors : Reading
        Of the reader.
    data : dict of str to float
        Label -> share of the attribute in the data.
    """
    drawn = [share_of(reported[asked == i], errors) for i in range(len(data))]
    return [Audited(label, share, part) for (label, share), part in zip(data.items(), drawn)]


def skew(lines: list[Audited]) -> float:
    """The greatest distance of a drawn share from one half: 0 if the attribute depends on no label."""
    return max(abs(line.drawn.value - 0.5) for line in lines)
