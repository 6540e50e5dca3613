"""Where to run, in which precision, from which seed, under which budget.

A notebook asks once, at its top. The library never asks: it follows the device of its inputs.
"""

import functools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.nn.functional import conv2d

T = TypeVar("T")
PROFILES = ("smoke", "laptop", "gpu")


@dataclass(frozen=True)
class Precision:
    """How the forward pass is computed.

    Attributes
    ----------
    dtype : torch.dtype
        float32, or the half precision that autocast uses.
    scaled : bool
        Whether gradients need a scaler: float16 loses those below 6e-8, bfloat16 and float32 do not.
    """

    dtype: torch.dtype
    scaled: bool = False

    def autocast(self, device: torch.device):
        return torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32)


@dataclass(frozen=True)
class Setup:
    """What `setup` found: where a notebook runs and under which budget."""

    device: torch.device
    precision: Precision
    profile: str
    minutes: float | None = None

    def __repr__(self) -> str:
        dtype = str(self.precision.dtype).removeprefix("torch.")
        line = f"{device_name(self.device)} · {dtype} · profile {self.profile} · torch {torch.__version__}"
        return line if self.minutes is None else f"{line} · about {self.minutes:g} min"


def setup(seed: int = 0, minutes: dict[str, float] | None = None) -> Setup:
    """Seed every generator and say where the notebook runs.

    Parameters
    ----------
    seed : int
        Seeds torch on every device.
    minutes : dict of str to float, optional
        What the notebook takes under each profile: {"smoke": 0.3, "laptop": 4, "gpu": 2}.

    Returns
    -------
    Setup
        The device, its precision and the profile; its repr is one line for the reader.
    """
    torch.manual_seed(seed)
    _enable_colab_widgets()
    device = pick_device()
    return Setup(device, precision(device), profile(), pick(**minutes) if minutes else None)


def pick_device() -> torch.device:
    """CUDA where there is a card, Apple's mps, else the CPU; `COURSE_DEVICE` overrides.

    Of several processes that torchrun starts on a machine, each takes a card of its own.
    """
    if name := os.environ.get("COURSE_DEVICE"):
        return _named_device(name)
    if torch.cuda.is_available():
        mine = os.environ.get("LOCAL_RANK")  # a launcher may also show each process its own card alone, as number 0
        return torch.device("cuda") if mine is None else torch.device("cuda", int(mine) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"COURSE_DEVICE={name!r} cannot be used on this machine: {error}") from error
    return device


def device_name(device: torch.device) -> str:
    """What a person would call it: the card's name, or the kind of processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return "Apple GPU (mps)" if device.type == "mps" else f"CPU, {threads} thread{'s' * (threads > 1)}"


def precision(device: torch.device) -> Precision:
    """The precision that is right for a device.

    bfloat16 where the hardware has it; float16 with a gradient scaler on older CUDA cards (a T4
    emulates bfloat16 at a tenth of the speed, and torch calls that supported, so emulation is
    excluded); bfloat16 on a CPU where it measures faster; float32 elsewhere. `COURSE_PRECISION`
    (float32, bfloat16 or float16) overrides.
    """
    if name := os.environ.get("COURSE_PRECISION"):
        return _named_precision(name)
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(torch.bfloat16) if native else Precision(torch.float16, scaled=True)
    if device.type == "cpu" and _bf16_is_faster_on_cpu():
        return Precision(torch.bfloat16)
    return Precision(torch.float32)


def _named_precision(name: str) -> Precision:
    if name not in ("float32", "bfloat16", "float16"):
        raise ValueError(f"COURSE_PRECISION must be float32, bfloat16 or float16, got {name!r}")
    return Precision(getattr(torch, name), scaled=name == "float16")


@functools.cache
def _bf16_is_faster_on_cpu(gain: float = 1.3) -> bool:
    # Without AVX-512 BF16 or AMX the half-precision kernels exist but crawl, so ask by stopwatch.
    x, w = torch.ones(32, 64, 14, 14), torch.ones(64, 64, 3, 3)  # drawing them would move the caller's generator
    full = _seconds(lambda: conv2d(x, w, padding=1))
    x, w = x.bfloat16(), w.bfloat16()
    return full > gain * _seconds(lambda: conv2d(x, w, padding=1))


def _seconds(run, repeats: int = 5) -> float:
    run()  # the first call chooses and compiles the kernel
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run a block from a seed and give the generators back as they were.

    Examples
    --------
    >>> with seeded(0, torch.device("cpu")):
    ...     a = torch.rand(3)
    >>> with seeded(0, torch.device("cpu")):
    ...     b = torch.rand(3)
    >>> torch.equal(a, b)
    True
    """
    # fork_rng keeps the generators of the CPU and of CUDA cards; Apple's has another interface.
    apple = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield
    finally:
        if apple is not None:
            torch.mps.set_rng_state(apple)


def profile() -> str:
    """The budget: smoke (seconds, for tests), laptop (minutes) or gpu; `COURSE_PROFILE` overrides."""
    name = os.environ.get("COURSE_PROFILE") or ("laptop" if pick_device().type == "cpu" else "gpu")
    if name not in PROFILES:
        raise ValueError(f"COURSE_PROFILE must be one of {', '.join(PROFILES)}, got {name!r}")
    return name


def pick(*, smoke: T, laptop: T, gpu: T) -> T:
    """The value for the current budget, with all three in sight.

    Examples
    --------
    >>> import os; os.environ["COURSE_PROFILE"] = "smoke"
    >>> pick(smoke=20, laptop=300, gpu=3000)
    20
    """
    return {"smoke": smoke, "laptop": laptop, "gpu": gpu}[profile()]


def _enable_colab_widgets() -> None:
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()
