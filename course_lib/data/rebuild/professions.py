"""Rebuild the professions: `python -m course_lib.data.rebuild.professions FOLDER`, with resvg-py installed.

FOLDER is a node_modules that holds @iconify-json/noto 1.2.9.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np

from course_lib.data.atlas import to_sheet
from course_lib.data.professions import GENDERS, PROFESSIONS, SIZE, TONES
from course_lib.data.rebuild.drawing import Icons
from course_lib.data.rebuild.write import save_sheet

COLUMNS = len(GENDERS) * len(TONES)


def main(folder: Path) -> None:
    icons = Icons(folder / "@iconify-json" / "noto")
    names = [icon_name(icons, *cell) for cell in product(PROFESSIONS, GENDERS, TONES)]
    save_sheet("professions.webp", to_sheet(np.stack([icons.draw(name, SIZE) for name in names]), COLUMNS))


def icon_name(icons: Icons, profession: str, gender: str, tone: str) -> str:
    """A man or woman comes before the job, a person is the job alone; a tone stands at the end."""
    job = profession.replace(" ", "-") + ("" if tone == "none" else f"-{tone}-skin-tone")
    name = job if gender == "person" else f"{gender}-{job}"
    if name not in icons.set["icons"]:
        raise ValueError(f"the package has no icon {name!r}")
    return name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
