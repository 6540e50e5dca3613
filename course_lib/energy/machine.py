"""Which counters has this machine? Measured before estimated, and the name of each part says which."""

import os
import time
from pathlib import Path

import torch

from course_lib.energy.gauges import Counter, Gauge, Integral

POWERCAP = Path("/sys/class/powercap")
WATTS_PER_CORE = 12.0  # a busy core of a common server (Lannelongue et al. 2021, Green Algorithms)
# Nominal watts of cards whose counter cannot be read, taken as drawn all the time: an upper bound.
CARD_WATTS = {"T4": 70, "L4": 72, "P100": 250, "V100": 300, "A100": 400, "H100": 700, "H200": 700}
ANY_CARD, APPLE = 300, 15


def gauges_of(device: torch.device) -> dict[str, Gauge]:
    """The best gauge for each part that the device uses, measured before estimated."""
    return processor() | card(device)


def processor(folder: Path = POWERCAP) -> dict[str, Gauge]:
    """RAPL, or the time that this process keeps a processor busy; `COURSE_WATTS` overrides the watts of a core.

    RAPL sees all processes of a machine; of those that torchrun starts there, the first one reads it for all.
    """
    if domains := rapl(folder):
        return domains if os.environ.get("LOCAL_RANK", "0") == "0" else {}
    watts = _stated_watts()
    return {f"processor, estimated as {watts:g} W a busy core": Counter(time.process_time, unit=watts)}


def _stated_watts() -> float:
    stated = os.environ.get("COURSE_WATTS") or str(WATTS_PER_CORE)
    try:
        return float(stated)
    except ValueError as error:
        raise ValueError(f"COURSE_WATTS must be the watts of one busy core, got {stated!r}") from error


def rapl(folder: Path = POWERCAP) -> dict[str, Gauge]:
    """A counter for each processor package that may be read, and its memory; empty where there is none."""
    domains = {}
    for path in sorted(folder.glob("intel-rapl:*")):
        try:
            name = (path / "name").read_text().strip()
            if name.startswith("package") or name == "dram":  # other domains are parts of these
                wrap = float((path / "max_energy_range_uj").read_text())
                read = lambda file=path / "energy_uj": float(file.read_text())
                domains[f"{name} {path.name.split(':')[1]}, measured by RAPL"] = Counter(read, unit=1e-6, wrap=wrap)
        except OSError:  # since 2020 most systems let only root read it
            continue
    return domains


def card(device: torch.device) -> dict[str, Gauge]:
    """NVML for a CUDA card, or its nominal watts for as long as the meter runs; nothing for a processor."""
    if device.type == "cpu":
        return {}
    name, watts = "Apple GPU", APPLE
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        try:
            return {f"{name}, measured by NVML": nvml(str(torch.cuda.get_device_properties(device).uuid))}
        except Exception:  # no nvidia-ml-py, or a driver that refuses: whatever it is, training must go on
            watts = next((nominal for model, nominal in CARD_WATTS.items() if model in name), ANY_CARD)
    return {f"{name}, estimated as {watts:g} W at all times": Counter(time.monotonic, unit=watts)}


def nvml(uuid: str) -> Gauge:
    """The energy counter of an NVIDIA card (Volta and later), or the sum over its power where it has none."""
    import pynvml  # of nvidia-ml-py; only where there is a card

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    try:
        return Counter(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), unit=1e-3)
    except pynvml.NVMLError:
        return Integral(lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3)
