"""How fast the scans are, how much memory they take and how exact they are, beside others' in the same run.

    python -m benchmarks.ssms                    # all of it, some ten minutes; writes benchmarks/ssms.json
    python -m benchmarks.ssms selective memory   # parts; what was measured before stays in the file
    python -m benchmarks.ssms gpu                # on CUDA, with the authors' kernels where mamba-ssm is installed

All run in turn, in rounds; a ratio is taken within its round, and the median of rounds and their range are written
down. On a CPU: one thread, float32, and the thread's own seconds, so that what else runs weighs little.
`benchmarks/ssms_peers.py` says who the others are; who is not installed is named and left out.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softplus

from benchmarks import ssms_peers as peers
from benchmarks.contest import Setting
from benchmarks.peers import found
from benchmarks.timing import Clock, clock, machine, ratio, spread
from course_lib.ssms import duality, s4d
from course_lib.ssms.linear import convolution
from course_lib.ssms.selective import selective_loop, selective_scan

RESULTS = Path(__file__).with_suffix(".json")
LENGTHS = 256, 512, 1024, 2048, 4096, 8192
ROUNDS = 7
WIDTH, STATE = 128, 16  # of the selective scan
HEADS, DUAL_STATE = 4, 64  # of the dual form: four heads of 32

SELECTIVE = {
    "ours": lambda: lambda *inputs: selective_scan(*inputs)[0],
    "mambapy": peers.mambapy,
    "loop": lambda: lambda *inputs: selective_loop(*inputs)[0],
}
DUAL = {
    "ours": lambda: lambda *inputs: duality.chunked(*inputs)[0],
    "listing": lambda: peers.listing(64, shared=False),
    "listing, shared B and C": lambda: peers.listing(64, shared=True),
    "attention": lambda: peers.attention,
}


def selective_inputs(
    length: int, dtype: torch.dtype = torch.float32, strength: float = 1, device: str = "cpu"
) -> list[Tensor]:
    """u, dt, A, B and C as a Mamba block begins with."""
    u, dt = torch.randn(2, 1, length, WIDTH, dtype=torch.float64)
    A = -strength * torch.arange(1.0, STATE + 1).repeat(WIDTH, 1)
    B, C = torch.randn(2, 1, length, STATE, dtype=torch.float64)
    return [t.to(device, dtype).requires_grad_() for t in (u, softplus(dt - 3), A, B, C)]


def dual_inputs(
    length: int, dtype: torch.dtype = torch.float32, strength: float = 1, device: str = "cpu"
) -> list[Tensor]:
    """x, log_decay, B and C."""
    x, log_decay = torch.randn(1, length, HEADS, WIDTH // HEADS).double(), torch.randn(1, length, HEADS).double()
    B, C = torch.randn(2, 1, length, DUAL_STATE).double() / math.sqrt(DUAL_STATE)
    return [t.to(device, dtype).requires_grad_() for t in (x, -strength * softplus(log_decay - 2), B, C)]


def seconds(run: Callable[[], Tensor], now: Clock) -> tuple[float, float]:
    """Forward, and forward with backward."""
    start = now()
    y = run()
    middle = now()
    y.backward(torch.ones_like(y))
    return middle - start, now() - start


def in_turn(runs: dict[str, Callable[[], Tensor]], rounds: int = ROUNDS, device: str = "cpu") -> dict:
    """Milliseconds of each, and how many times as long as `ours` the others take."""
    taken, now = {name: [] for name in runs}, clock(torch.device(device))
    for _ in range(rounds + 1):
        for name, run in runs.items():
            taken[name].append(seconds(run, now))
    result = {name: {} for name in runs}
    for part, label in enumerate(("forward", "both")):
        spent = {name: [pair[part] for pair in pairs[1:]] for name, pairs in taken.items()}  # the first warms up
        for name, row in spent.items():
            result[name][f"{label}, ms"] = spread(1e3 * s for s in row).median
            if name != "ours":
                result[name][f"{label}, times ours"] = list(ratio(row, spent["ours"]))
    return result


def over_lengths(
    methods: dict, inputs: Callable, device: str = "cpu", lengths: tuple[int, ...] = LENGTHS, rounds: int = ROUNDS
) -> dict:
    """Every method at every length; only what is installed."""
    there, missing = found(methods)
    result = {"missing": missing} if missing else {}
    for length in lengths:
        given = inputs(length, device=device)
        result[str(length)] = in_turn({name: partial(method, *given) for name, method in there.items()}, rounds, device)
    if {1024, 8192} <= {*lengths}:
        result["slope, 1024 to 8192"] = {name: _slope(result, name) for name in there}
    return result


def _slope(result: dict, name: str) -> float:
    """2 if four times the length takes sixteen times as long."""
    return round(math.log(result["8192"][name]["both, ms"] / result["1024"][name]["both, ms"], 8), 2)


def of_s4d(length: int = 4096) -> dict:
    """The kernel by two small tables and by one large one, and the layer with it."""
    layer, x = s4d.S4D(64, 64), torch.randn(1, length, 64)
    kernels = {"ours": s4d.kernel, "vandermonde": peers.vandermonde}

    def mixed(kernel: Callable) -> Tensor:
        return convolution(x, kernel(*layer.system(), length)) + layer.D * x

    return {
        "kernel": in_turn({name: lambda k=k: k(*layer.system(), length) for name, k in kernels.items()}),
        "layer": in_turn({name: lambda k=k: mixed(k) for name, k in kernels.items()}),
    }


def of_memory(length: int = 4096) -> dict:
    """MB at the peak of forward and backward beyond what was there before, each in a process of its own."""
    result = {}
    for kind, methods in (("selective", SELECTIVE), ("dual", DUAL)):
        for name in found(methods)[0]:
            command = [sys.executable, "-m", "benchmarks.ssms", "--peak", kind, name, str(length)]
            result.setdefault(kind, {})[name] = float(subprocess.check_output(command, text=True))
    return result


def peak(kind: str, name: str, length: int) -> float:
    methods, inputs = (SELECTIVE, selective_inputs) if kind == "selective" else (DUAL, dual_inputs)
    method = methods[name]()
    method(*inputs(64)).sum().backward()  # so that all libraries are loaded
    given = inputs(length)
    before = _peak_so_far()
    method(*given).sum().backward()
    return round((_peak_so_far() - before) / 1024, 1)


def _peak_so_far() -> int:
    """kB of this process; Linux only, and not `getrusage`, which begins with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def of_accuracy() -> dict:
    """Largest error in float32 by the largest value, against float64."""
    result, scans = {}, {"selective": (selective_scan, selective_inputs), "dual": (duality.chunked, dual_inputs)}
    for strength in (1e-3, 1.0, 100.0):
        for length in (1024, 16384):
            for name, (scan, inputs) in scans.items():
                given = inputs(length, torch.float64, strength)
                single = [t.detach().float().requires_grad_() for t in given]
                ours, exact = scan(*single)[0], scan(*given)[0]
                by = torch.randn_like(exact)
                slopes = zip(torch.autograd.grad(ours, single, by.float()), torch.autograd.grad(exact, given, by))
                key = f"{name}, {length} steps, decay x {strength:g}"
                result[key] = {"forward": _error(ours, exact), "gradients": max(_error(*pair) for pair in slopes)}
    return result


def _error(ours: Tensor, exact: Tensor) -> float:
    return float(f"{((ours - exact).abs().max() / exact.abs().max()).item():.1e}")


def on_a_gpu() -> dict:
    """Ours, compiled and not, beside the authors' kernels; and how fast the inputs and outputs alone would be moved."""
    compiled = {"ours, compiled": lambda: torch.compile(lambda *inputs: duality.chunked(*inputs)[0])}
    kernels = {"kernel": lambda: peers.dual_kernel(256)}
    selective = {"ours": SELECTIVE["ours"], "mambapy": SELECTIVE["mambapy"], "kernel": peers.selective_kernel}
    dual = DUAL | compiled | kernels
    big, given = torch.empty(2**28, device="cuda"), dual_inputs(8192, device="cuda")
    now = clock(big.device)
    start = now()
    for _ in range(10):
        big.clone()
    bandwidth = 10 * 2 * big.nbytes / (now() - start)
    return {
        "device": torch.cuda.get_device_name(),
        "bandwidth, GB/s": round(bandwidth / 1e9),
        "dual at 8192, ms if only moved": round(1e3 * 2 * sum(t.nbytes for t in (*given, given[0])) / bandwidth, 4),
        "selective": over_lengths(selective, selective_inputs, "cuda"),
        "dual": over_lengths(dual, dual_inputs, "cuda"),
    }


PARTS = {
    "selective": lambda: over_lengths(SELECTIVE, selective_inputs),
    "dual": lambda: over_lengths(DUAL, dual_inputs),
    "s4d": of_s4d,
    "memory": of_memory,
    "accuracy": of_accuracy,
    "gpu": on_a_gpu,
}


def measured(setting: Setting) -> dict:
    """All that the device can do, for `python -m benchmarks`; in a smoke run one short length of each scan."""
    result = {"machine": machine(setting.device)}
    if setting.smoke:
        for name, methods, inputs in (("selective", SELECTIVE, selective_inputs), ("dual", DUAL, dual_inputs)):
            result[name] = over_lengths(methods, inputs, setting.device.type, (64,), 1)
        return result
    chosen = ["gpu"] if setting.device.type == "cuda" else [part for part in PARTS if part != "gpu"]
    return result | {part: PARTS[part]() for part in chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all that the machine can do if none is given")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if options.peak:
        print(peak(*options.peak[:2], int(options.peak[2])))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = machine(torch.device("cpu"))
    for part in options.parts or [part for part in PARTS if part != "gpu" or torch.cuda.is_available()]:
        results[part] = PARTS[part]()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(part, json.dumps(results[part], indent=1))


if __name__ == "__main__":
    main()
