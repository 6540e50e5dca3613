"""One GPU, a few minutes: better checkpoints, and what is measured on a card.

    benchmarks/gpu.sh --minutes 25 --out OUT       # on a bare machine: torch 2.6 or newer, no network, no installation
    benchmarks/gpu.sh --minutes 25 --out OUT       # again: goes on where the first call stopped
    benchmarks/gpu.sh --minutes 1 --out OUT --smoke    # two steps of a few recipes on a CPU, to see that it runs

First the benchmarks, alone on the card, for a third of the time; then the recipes, those first whose files are shown
most and gain most. Models as small as ours keep a card waiting, so several train side by side. Each gets a share of
the time left, measures its own pace and takes as many steps as fit into the share, up to a multiple of the recipe's
number; one that could not even take the recipe's number is not started. Each part is a process of its own, so that
what fails there fails alone and is written down.

OUT holds results.json (machine, paces, seconds, joules, each metric beside the one that the shipped file states),
pictures.zip, weights-1.zip and so on, log.txt: at most 8 files of at most 16 MiB, written anew after every part, so
that they are there whatever ends the run. States lie in OUT.work, which a second call needs.

Fashion-MNIST's own recipes need its four files, train-images-idx3-ubyte.gz and so on, in the folder that `COURSE_DATA`
names; with the 5,000 bundled images they come last, and the results say so. Wheels of packages that the machine lacks
may lie in the folder of --wheels: they are unpacked, not installed.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu_files import MEASURED, MIB, missing, pack, record, unpack, whole_fashion, write

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("torch", "numpy", "PIL", "tqdm", "safetensors", "jaxtyping", "matplotlib")
PEERS = ("einops", "mambapy", "mamba_ssm", "diffusers", "pynvml")  # without these, less is measured
LEAST = 30.0  # seconds under which nothing is started
MEASURING = 1 / 3  # of the time
CORES = os.cpu_count() or 1
PACKING = 10.0  # seconds kept back to write the last files


@dataclass(frozen=True)
class Job:
    """A recipe to train, or something to measure.

    Attributes
    ----------
    name : str
    weight : float
        Its part of the time, beside those of the others.
    most : float
        Steps at most, in multiples of the recipe's.
    """

    name: str
    weight: float = 1.0
    most: float = 1.0


# Best value first; a recipe that is not named here comes after these. digits_mamba overfits after its 600 steps.
RECIPES = (
    Job("fashion_flow", 6, 4), Job("sprites_video", 5, 8), Job("nightfall_video", 4, 8), Job("emoji_video", 4, 12),
    Job("fashion_dit", 4, 8), Job("shapes_flow", 4, 4), Job("emoji_flow", 3, 3), Job("fashion_scales", 2, 4),
    Job("fashion_maskgit", 2, 4), Job("fashion_raster", 2, 4), Job("fashion_gan", 2, 5), Job("faces_gan", 2, 4),
    Job("streets_cyclegan", 2, 3), Job("fashion_vae", 2, 2), Job("faces_vae", 2, 2), Job("textures_flow", 1, 4),
    Job("night_flow", 1, 4), Job("fashion_superresolution", 1, 4), Job("fashion_map", 1, 2), Job("faces_skewed", 1, 2),
    Job("digits_mamba", 1),
)  # fmt: skip
# Distances and tokens compare only under the very files that ship: these are never trained anew.
PINNED = ("fashion_features", "faces_attributes", "fashion_tokenizer")
OTHERS_MOST = 2.0
SMOKE, SMOKE_PARTS = (Job("digits_mamba"), Job("night_flow")), ("step", "batches")


class Budget:
    """Seconds until everything has to be written."""

    def __init__(self, minutes: float) -> None:
        self.deadline = time.monotonic() + 60 * minutes - PACKING

    def left(self) -> float:
        return self.deadline - time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """All of it; its exit status."""
    options = parsed(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    unpack(options.wheels, options.work / "site")
    if lacking := missing(NEEDED):
        print(f"missing: {lacking}. Put their wheels into a folder, and name it by --wheels", file=sys.stderr)
        return 2
    print(f"not installed, so there will be less to compare with: {missing(PEERS) or 'nothing'}")
    if not whole_fashion():
        print("of Fashion-MNIST only the 5,000 bundled images are here: its recipes come last (COURSE_DATA)")
    budget = Budget(options.minutes)
    try:
        if not options.only:
            measure(options, budget)
        for _ in range(2):  # others may leave time to a recipe that had too little
            Lanes(waiting(options, budget), options, budget).run()
    finally:
        files = pack(options.work, options.out)
    print(*(f"{path}  {path.stat().st_size / MIB:.2f} MiB" for path in files), sep="\n")
    return 0


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, required=True, help="from start to end")
    parser.add_argument("--out", type=Path, required=True, help="the folder of at most 8 files")
    parser.add_argument("--work", type=Path, help="the folder of states (OUT.work)")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels of what the machine lacks")
    parser.add_argument("--beside", type=int, help="recipes at a time (a quarter of the cores, at most 4)")
    parser.add_argument("--only", nargs="+", choices=sorted(files()), help="these recipes, no benchmarks")
    parser.add_argument("--smoke", action="store_true", help="two steps of two recipes")
    options = parser.parse_args(arguments)
    options.out = options.out.resolve()
    kind = "smoke" if options.smoke else "work"
    options.work = (options.work or options.out.with_name(f"{options.out.name}.{kind}")).resolve()
    options.beside = options.beside or (1 if options.smoke else min(4, max(1, CORES // 4)))
    options.least = LEAST / 30 if options.smoke else LEAST
    return options


def measure(options: argparse.Namespace, budget: Budget) -> None:
    """What runs alone on the card; in a second call, what the first one did not finish."""
    reserved = (1 - MEASURING) * budget.left()
    for name, command in measurements(options).items():
        limit, file = budget.left() - reserved, options.work / f"{MEASURED}{name}.json"
        if record(file).get("status") != "done" and limit > options.least:
            failure = run(command, options.work / f"{MEASURED}{name}.log", limit, CORES)
            found = record(options.work / f"{name}.json")  # of our own parts; the others' lie in a folder of their own
            write(file, {"status": "failed", "why": failure} if failure else {"status": "done"} | found)
            pack(options.work, options.out)


def measurements(options: argparse.Namespace) -> dict[str, list[str]]:
    """What is measured -> the module that does it, with its arguments."""
    import torch

    device, smoke = "cuda" if torch.cuda.is_available() else "cpu", ["--smoke"] if options.smoke else []
    commands = {"step": ["benchmarks.gpu_job", "step", "--work", str(options.work), *smoke]}
    try:
        from benchmarks.__main__ import PARTS
    except Exception:  # whatever is wrong with them, the recipes can be trained
        print(f"the other benchmarks cannot be run: {traceback.format_exc(limit=1)}", file=sys.stderr)
        PARTS = ()
    rest = ["--device", device, "--out", str(options.work / "benchmarks"), *smoke]
    commands |= {part: ["benchmarks", part, *rest] for part in PARTS}
    return {name: commands[name] for name in commands if not options.smoke or name in SMOKE_PARTS}


def files() -> dict[str, Path]:
    """All recipes but the pinned ones."""
    found = (ROOT / "course_lib" / "recipes").glob("[a-z]*.py")
    return {file.stem: file for file in sorted(found) if file.stem not in PINNED}


def planned() -> list[Job]:
    """Best value first, and last the recipes for which the machine lacks the pictures."""
    named, there, lacking = [job.name for job in RECIPES], files(), not whole_fashion()
    jobs = [*RECIPES, *(Job(name, most=OTHERS_MOST) for name in there if name not in named)]
    return sorted(jobs, key=lambda job: lacking and "full=True" in there[job.name].read_text())


def waiting(options: argparse.Namespace, budget: Budget) -> list[Job]:
    """The recipes that are not trained, and for which there may be time."""
    jobs = [job for job in (SMOKE if options.smoke else planned()) if job.name in (options.only or [job.name])]
    known = {job: record(options.work / f"{job.name}.json") for job in jobs}
    return [job for job, found in known.items() if found.get("status") != "trained" and _fits(found, budget)]


def _fits(found: dict, budget: Budget) -> bool:
    """Whether what was too long before might not be too long now."""
    return found.get("needs", 0.0) < budget.left()


class Lanes:
    """Recipes side by side: whoever is free takes the next one, with its share of the time that is left."""

    def __init__(self, waiting: list[Job], options: argparse.Namespace, budget: Budget) -> None:
        self.waiting, self.options, self.budget = waiting, options, budget
        self.running: list[Job] = []
        self.lock = threading.Lock()

    def run(self) -> None:
        lanes = self.options.beside
        with ThreadPoolExecutor(lanes) as pool:
            for lane in [pool.submit(self._lane) for _ in range(lanes)]:
                lane.result()

    def _lane(self) -> None:
        while taken := self._next():
            job, seconds = taken
            work, beside = self.options.work, self.options.beside
            command = ["benchmarks.gpu_job", "train", job.name, "--work", str(work), "--seconds", f"{seconds:.1f}"]
            command += ["--most", str(job.most), "--beside", str(beside), *(["--smoke"] if self.options.smoke else [])]
            failure = run(command, work / f"{job.name}.log", self.budget.left(), max(1, CORES // beside))
            with self.lock:
                self.running.remove(job)
                if failure:
                    write(work / f"{job.name}.json", {"status": "failed", "why": failure})
                pack(work, self.options.out)

    def _next(self) -> tuple[Job, float] | None:
        with self.lock:
            left = self.budget.left()
            if not self.waiting or left < self.options.least:
                return None
            job = self.waiting.pop(0)
            everyone = sum(other.weight for other in [job, *self.waiting, *self.running])
            self.running.append(job)
            return job, min(left, left * self.options.beside * job.weight / everyone)


def run(command: list[str], log: Path, limit: float, threads: int) -> str | None:
    """Run a module for at most `limit` seconds; what went wrong, if something did."""
    print(f"{' '.join(command[:3])}: at most {limit:.0f} s", flush=True)
    environment = {"OMP_NUM_THREADS": str(threads), "TQDM_MININTERVAL": "60", "HF_HUB_OFFLINE": "1"} | os.environ
    with log.open("w") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=file, stderr=file, timeout=limit
            )
        except subprocess.TimeoutExpired:
            return f"cut after {limit:.0f} s"
    return None if not done.returncode else f"status {done.returncode}: {log.read_text(errors='replace')[-1500:]}"


if __name__ == "__main__":
    sys.exit(main())
