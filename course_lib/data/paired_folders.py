"""Two folders of your own images that belong together by their names, as pairs."""

import warnings
from pathlib import Path

import torch

from course_lib.data.folder import NAMED, image_files, read_image
from course_lib.data.pairs import Pairs


def paired_folders(source: Path | str, target: Path | str, size: int = 64, channels: int = 3, least: int = 2) -> Pairs:
    """Read the images that are in both folders: `source/harbour.jpg` goes with `target/harbour.png`.

    Parameters
    ----------
    source, target : path
        Names are compared with the folders in between and without the ending.
    size, channels : int
        As for `folder`, which reads each file in the same way.
    least : int
        How few pairs will do.

    Returns
    -------
    Pairs, (N, channels, size, size)
        Sorted by name; `place` is the number in this order.

    Raises
    ------
    ValueError
        If there is no such folder, or fewer than `least` pairs.

    Warns
    -----
    UserWarning
        Names what has no partner or cannot be read.
    """
    if least < 1:
        raise ValueError(f"least must be 1 or more, got {least}")
    files = [_named(Path(path).expanduser()) for path in (source, target)]
    lonely = sorted(files[0].keys() ^ files[1].keys())
    pairs, unread = [], []
    for name in sorted(files[0].keys() & files[1].keys()):
        try:
            pairs.append(torch.stack([read_image(named[name], size, channels) for named in files]))
        except ValueError as error:
            unread.append(f"{name} ({error})")
    told = _told("not read", unread) + _told("without a partner", lonely)
    if len(pairs) < least:
        raise ValueError(f"{source} and {target} hold {len(pairs)} pairs of one name, {least} are needed{told}")
    if told:
        warnings.warn(f"pairs of {source} and {target}{told}", stacklevel=2)
    return Pairs(*torch.stack(pairs, dim=1), torch.arange(len(pairs)))


def _named(path: Path) -> dict[str, Path]:
    if not path.is_dir():
        raise ValueError(f"{path} is no folder: give one that holds image files (unpack an archive first)")
    return {file.relative_to(path).with_suffix("").as_posix(): file for file in image_files(path)}


def _told(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"; {what}: {', '.join(names[:NAMED])}{more}"
