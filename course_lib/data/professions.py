"""Professions: 20 jobs x 3 genders x 6 skin tones, one emoji each, every cell filled.

A balanced world: each job is held equally by everyone. What a model makes of it after someone has
planted a correlation can therefore be measured, not guessed.

Google's Noto Emoji (Apache-2.0).
"""

import torch

from course_lib.data.atlas import check_split, sheet, tiles, to_pixels
from course_lib.data.attributed import Attributed

SIZE = 32
PROFESSIONS = (
    "health worker", "student", "teacher", "judge", "farmer", "cook", "mechanic", "factory worker", "office worker",
    "scientist", "technologist", "singer", "artist", "pilot", "astronaut", "firefighter", "police officer", "detective",
    "guard", "construction worker",
)  # fmt: skip
GENDERS = ("man", "woman", "person")
TONES = ("none", "light", "medium-light", "medium", "medium-dark", "dark")
NAMES = {"profession": PROFESSIONS, "gender": GENDERS, "tone": TONES}


def professions(split: str = "train") -> Attributed:
    """The 360 people at work.

    Parameters
    ----------
    split : "train", "test" or "all"
        Every tenth cell or so is for testing: (profession + 2 gender + 3 tone) mod 10 = 0. Each
        gender, tone and profession is in both splits, the combination is new; only the astronaut,
        whose helmet makes the three genders one picture, is never in the test split.

    Returns
    -------
    Attributed, (N, 3, 32, 32)
        Attributes profession, gender and tone.

    Raises
    ------
    ValueError
        If there is no such split.

    Examples
    --------
    >>> professions("all").describe(0)
    {'profession': 'health worker', 'gender': 'man', 'tone': 'none'}
    """
    check_split(split, ("train", "test", "all"))
    cells = torch.cartesian_prod(*(torch.arange(len(values)) for values in NAMES.values()))
    test = ((cells @ torch.tensor([1, 2, 3])) % 10 == 0) & (cells[:, 0] != PROFESSIONS.index("astronaut"))
    chosen = {"train": ~test, "test": test, "all": torch.ones_like(test)}[split]
    return Attributed(to_pixels(tiles(sheet("professions.webp"), SIZE))[chosen], cells[chosen], NAMES)
