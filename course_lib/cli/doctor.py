"""course doctor: what this machine can do, and whether all of the course is in place."""

import platform
import shutil
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from course_lib import __version__
from course_lib.device import PROFILES, pick_device, setup
from course_lib.energy.machine import gauges_of
from course_lib.notebooks import catalogue

PACKAGES = ("torch", "torchvision", "numpy", "matplotlib", "pillow", "ipywidgets", "jupyterlab", "nbconvert")
NEEDED_GB = 1.0


def doctor(options) -> int:
    """Print one line a finding; status 1 if something is broken."""
    healthy = True
    for part in (_machine, _packages, _disk, _data, _weights):
        for sound, line in part():
            healthy &= sound
            print(f"{'ok ' if sound else 'BAD'}  {line}")
    _print_minutes()
    return int(not healthy)


def _machine() -> Iterator[tuple[bool, str]]:
    yield True, f"{setup()}"
    yield True, f"energy: {', '.join(gauges_of(pick_device()))}"
    if not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA at all"
        yield False, f"there is an NVIDIA driver, but this torch is built for {built}: install a torch that fits it"


def _packages() -> Iterator[tuple[bool, str]]:
    yield True, f"course-lib {__version__}, Python {platform.python_version()}, {platform.system()}"
    yield True, ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing (extra lab)"


def _disk() -> Iterator[tuple[bool, str]]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield free > NEEDED_GB, f"disk: {free:.1f} GB free here, {NEEDED_GB:g} GB is plenty"


def _data() -> Iterator[tuple[bool, str]]:
    from course_lib.data import BUNDLED, load

    for name in BUNDLED:
        yield _tried(f"data {name}", lambda name=name: f"{len(load(name)):,} items")


def _weights() -> Iterator[tuple[bool, str]]:
    from course_lib.checkpoints import available, info, pretrained

    for name in available():
        metrics = ", ".join(f"{metric} {value:.4g}" for metric, value in info(name)["metrics"].items())
        yield _tried(f"weights {name}", lambda name=name: f"hash right, {_size(pretrained(name))} M parameters")
        yield True, f"        which states {metrics}"


def _size(model: torch.nn.Module) -> str:
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}"


def _tried(what: str, look: Callable[[], str]) -> tuple[bool, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return True, f"{what}: {look()}"
    except Exception as error:  # a doctor reports whatever is wrong
        return False, f"{what}: {error}"


def _print_minutes() -> None:
    print(f"\n{'minutes, about':<24}" + "".join(f"{name:>10}" for name in PROFILES))
    for name in catalogue.names():
        stated = catalogue.minutes(catalogue.find(name))
        print(f"{name:<24}" + "".join(f"{stated.get(profile, '–'):>10}" for profile in PROFILES))
