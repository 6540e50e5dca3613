"""What was aimed at before anything was measured, and what the results say now."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.contest import OURS
from benchmarks.words import number

Measured = list[float]  # median, least, most


class Goal(NamedTuple):
    """The median is to reach `least`; `found` takes it from the results of `part`."""

    what: str
    against: str
    least: float
    part: str
    found: Callable[[dict], Measured]


def of(what: str, who: str, key: str = "times ours") -> Callable[[dict], Measured]:
    """That of a contest whose name begins so."""
    return lambda result: next(r[key] for r in result["rows"] if r["what"].startswith(what) and r["who"] == who)


def scan(kind: str, length: str, who: str) -> Callable[[dict], Measured]:
    return lambda result: result[kind][length][who]["both, times ours"]


def mixer(job: str, who: str) -> Callable[[dict], Measured]:
    return lambda result: list(result["times the SSM's"][f"{job} mixer: {who}"].values())


def of_s4d(result: dict) -> Measured:
    return result["s4d"]["kernel"]["vandermonde"]["forward, times ours"]


MINIMAL, EVERYWHERE = "listing, shared B and C", "attention everywhere"
UNET = "U-Net training step, 28 px, batch of 32, float32"
GOALS = (
    Goal("U-Net training step", "smalldiffusion", 3, "unet", of(UNET, "smalldiffusion")),
    Goal("", "diffusers", 4.5, "unet", of(UNET, "diffusers")),
    Goal("", "denoising-diffusion-pytorch", 6, "unet", of(UNET, "denoising-diffusion-pytorch")),
    Goal("", "the floor (a share of it)", 0.7, "unet", of(UNET, OURS, "of the floor")),
    Goal("decoding 196 tokens", "no cache", 20, "decoding", of("8 maps of 196", "course, no cache")),
    Goal("batches", "DataLoader, 0 workers", 10, "batches", of("100 batches", "DataLoader, 0 workers")),
    Goal("", "DataLoader, 2 workers", 10, "batches", of("100 batches", "DataLoader, 2 workers")),
    Goal("import course_lib", "import torch", 0.91, "start", of("start", "import torch")),
    Goal("selective scan, L = 4096", "mambapy", 3.5, "ssms", scan("selective", "4096", "mambapy")),
    Goal("selective scan, L = 1024", "mambapy", 2.2, "ssms", scan("selective", "1024", "mambapy")),
    Goal("dual form, L = 1024", "the paper's listing", 2, "ssms", scan("dual", "1024", "listing")),
    Goal("dual form, L = 4096", "the paper's listing", 2, "ssms", scan("dual", "4096", "listing")),
    Goal("dual form, L = 1024", "mamba2-minimal", 1.4, "ssms", scan("dual", "1024", MINIMAL)),
    Goal("dual form, L = 4096", "mamba2-minimal", 1.4, "ssms", scan("dual", "4096", MINIMAL)),
    Goal("S4D's kernel, L = 4096", "explicit table", 39, "ssms", of_s4d),
    Goal("video, training on 64 frames", "ConvLSTM", 3, "ssms_video", mixer("train", "ConvLSTM")),
    Goal("video, roll-out of 256 frames", EVERYWHERE, 10, "ssms_video", mixer("roll", EVERYWHERE)),
)  # fmt: skip


def table(results: dict[str, dict]) -> str:
    """A line a goal whose part was measured."""
    lines = ["| | against | goal, at least | measured | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        if goal.part in results:
            median, least, most = goal.found(results[goal.part])
            measured = f"{median:#.3g} ({number(least)}-{number(most)})"
            verdict = "reached" if median >= goal.least else "missed"
            lines.append(f"| {goal.what} | {goal.against} | {number(goal.least)} | {measured} | {verdict} |")
    return "\n".join(lines)
