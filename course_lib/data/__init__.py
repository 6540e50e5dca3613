"""The data sets of the course: `load` for those that come as files, one module each for those that are drawn.

Bundled as atlases, each with a card in `cards/`: fashion.
"""

from course_lib.data import fashion
from course_lib.data.images import Batch, Images, to_float, to_uint8

__all__ = ["Batch", "Images", "load", "to_float", "to_uint8"]

NAMES = ("fashion",)


def load(name: str, split: str = "train", size: int | None = None, full: bool = False) -> Images:
    match name:
        case "fashion":
            return fashion.fashion(split, full)
    raise ValueError(f"there is no data set {name!r}; the names are {', '.join(NAMES)}")
