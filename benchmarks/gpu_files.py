"""What `benchmarks.gpu` leaves: at most 8 files of at most 16 MiB, from the folder in which it works."""

import importlib.util
import json
import os
import platform
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

MIB = 2**20
LARGEST, FILES = 16 * MIB, 8
ROOM = LARGEST - MIB // 4  # of what goes into an archive, which has a table of contents
LOG = 200_000  # characters of each part's log, its end
MEASURED = "measured-"


def pack(work: Path, out: Path) -> list[Path]:
    """Write all files anew, each in one move; return them."""
    out.mkdir(parents=True, exist_ok=True)
    contents = {"results.json": json.dumps(results(work), indent=1).encode() + b"\n", "log.txt": logs(work)}
    archives = {"pictures.zip": next(parts([*work.glob("*.png"), *work.glob("benchmarks/**/*.*")]), [])}
    weights = list(parts(sorted(work.glob("*.safetensors"))))
    archives |= {f"weights-{number}.zip": files for number, files in enumerate(weights, 1)}
    for name, content in contents.items():
        _whole(out / name, lambda path, content=content: path.write_bytes(content[-LARGEST:]))
    for name, files in list(archives.items())[: FILES - len(contents)]:
        _whole(out / name, lambda path, files=files: _zipped(path, files, work))
    for path in set(out.glob("weights-*.zip")) - {out / name for name in archives}:
        path.unlink()
    return sorted(path for path in out.iterdir() if path.name in contents | archives)


def results(work: Path) -> dict:
    """All records of the work folder."""
    files = [file for file in sorted(work.glob("*.json")) if "status" in record(file)]
    measured = {file.stem.removeprefix(MEASURED): record(file) for file in files if file.stem.startswith(MEASURED)}
    recipes = {file.stem: record(file) for file in files if not file.stem.startswith(MEASURED)}
    benchmarks = {file.stem: record(file) for file in sorted(work.glob("benchmarks/*.json"))}
    return {"machine": machine(), "recipes": recipes, "measured": measured, "benchmarks": benchmarks}


def machine() -> dict:
    """On what all of this was measured."""
    import torch

    from course_lib.device import device_name, pick_device, precision

    device = pick_device()
    return {
        "device": device_name(device),
        "precision": str(precision(device).dtype).removeprefix("torch."),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
    }


def logs(work: Path) -> bytes:
    """The end of what each part said."""
    texts = (f"== {file.stem}\n{file.read_text(errors='replace')[-LOG:]}\n" for file in sorted(work.glob("*.log")))
    return "".join(texts).encode()


def parts(files: list[Path], room: int = ROOM) -> Iterator[list[Path]]:
    """Files in order, as many together as there is room for; what is too large by itself is left out."""
    part, size = [], 0
    for file in files:
        weight = file.stat().st_size
        if weight > room:
            continue
        if size + weight > room:
            yield part
            part, size = [], 0
        part.append(file)
        size += weight
    if part:
        yield part


def _zipped(path: Path, files: list[Path], root: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:  # stored: weights and pictures do not get smaller
        for file in files:
            archive.write(file, file.relative_to(root))


def _whole(path: Path, written: Callable[[Path], object]) -> None:
    """Write in one move, so that a run that is ended leaves the old file or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    written(partial)
    partial.replace(path)


def record(file: Path) -> dict:
    """What a part wrote down; nothing, if it did not come so far."""
    return json.loads(file.read_text()) if file.exists() else {}


def write(file: Path, found: dict) -> None:
    _whole(file, lambda path: path.write_text(json.dumps(found, indent=1) + "\n"))


def unpack(wheels: Path | None, site: Path) -> None:
    """Make wheels importable, here and in all parts: a wheel is an archive of what would be installed."""
    for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
        with zipfile.ZipFile(wheel) as file:
            file.extractall(site)
    if site.is_dir():
        sys.path.insert(0, str(site))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])


def missing(packages: Iterable[str]) -> str:
    """Those that cannot be imported, as words."""
    return ", ".join(name for name in packages if not importlib.util.find_spec(name))


def whole_fashion() -> bool:
    """Whether all of Fashion-MNIST lies on this machine."""
    from course_lib.data.atlas import cache
    from course_lib.data.fashion import DEBIAN

    return any((folder / "train-images-idx3-ubyte.gz").exists() for folder in (DEBIAN, cache()))
