"""The data sets of the course: `load` for those that come as files, one module each for those that are drawn.

Bundled, each with a card in `cards/`: fashion, digits, emoji, professions, faces, earth, earth_map.
Downloaded through torchvision where there is a network: cifar10, eurosat, flowers102.
Drawn with a known answer: `points`, `shapes` (read back by `reading`), `video`, `streets`, `textures`;
and any number of `faces`.
Your own images: `folder`.
"""

from course_lib.data import digits, earth, emoji, faces, fashion, professions, public
from course_lib.data.attributed import Attributed
from course_lib.data.captions import Captioned, Vocabulary
from course_lib.data.clips import Clips
from course_lib.data.images import Batch, Images, to_float, to_uint8
from course_lib.data.pairs import Pairs

__all__ = ["Attributed", "Batch", "Captioned", "Clips", "Images", "Pairs", "Vocabulary", "load", "to_float", "to_uint8"]

DataSet = Images | Pairs | Captioned | Attributed
BUNDLED = ("fashion", "digits", "emoji", "professions", "faces", "earth", "earth_map")
NAMES = (*BUNDLED, "cifar10", "eurosat", "flowers102")
NATIVE = {"fashion": 28, "digits": 8, "emoji": 32, "professions": 32, "cifar10": 32, "eurosat": 64}


def load(name: str, split: str = "train", size: int | None = None, full: bool = False) -> DataSet:
    """A data set by its name.

    Parameters
    ----------
    name : str
        One of `NAMES`. Each is also a function of its own, with more to choose.
    split : "train" or "test"
    size : int, optional
        Pixels a side, where a set comes in several sizes: faces, earth, earth_map, flowers102.
    full : bool
        The whole of Fashion-MNIST instead of the bundled part; see `fashion`.

    Raises
    ------
    ValueError
        If there is no such set or split, or if the set does not have what is asked for.

    Examples
    --------
    >>> load("fashion").pixels.shape
    torch.Size([5000, 1, 28, 28])
    """
    if name not in NAMES:
        raise ValueError(f"there is no data set {name!r}; the names are {', '.join(NAMES)}")
    if full and name != "fashion":
        raise ValueError(f"full is for fashion, of which only a part is bundled: {name} is whole already")
    if size is not None and name in NATIVE and size != NATIVE[name]:
        raise ValueError(f"{name} comes in size {NATIVE[name]} only, got size {size}")
    match name:
        case "fashion":
            return fashion.fashion(split, full)
        case "digits":
            return digits.digits(split)
        case "emoji":
            return emoji.emoji("noto", split)
        case "professions":
            return professions.professions(split)
        case "faces":
            return faces.load_faces(split, 16 if size is None else size)
        case "earth":
            return earth.earth(split, 64 if size is None else size)
        case "earth_map":
            return earth.earth_map(split, 64 if size is None else size)
        case "cifar10":
            return public.cifar10(split)
        case "eurosat":
            return public.eurosat(split)
        case _:
            return public.flowers102(split, 64 if size is None else size)
