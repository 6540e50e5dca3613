"""Rebuild the earth atlas: `python -m course_lib.data.rebuild.earth FOLDER`.

FOLDER holds earth.jpg and night.jpg, as Debian's package xplanet-images 1.3.1-3 installs them; they
are kept byte for byte, since a JPEG written again would lose a second time.
"""

import sys
from pathlib import Path

from course_lib.data.rebuild.write import save_bytes


def main(folder: Path) -> None:
    for name, original in (("day", "earth"), ("night", "night")):
        save_bytes(f"earth_{name}.jpg", (folder / f"{original}.jpg").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
