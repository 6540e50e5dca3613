"""One part of `benchmarks.gpu`, in a process of its own.

    python -m benchmarks.gpu_job train night_flow --work WORK --seconds 60
    python -m benchmarks.gpu_job step --work WORK

The first trains a recipe within its share of the time and writes WORK/night_flow.json, its weights and its picture; the
second times a training step of fashion_flow.
"""

import argparse
import inspect
import math
import socket
import sys
import time
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu_files import record, write
from course_lib.checkpoints import available, info, rounded, save
from course_lib.data.fashion import fashion
from course_lib.device import pick_device, precision, seeded
from course_lib.energy import Energy
from course_lib.model import Model, last
from course_lib.plotting import grid
from course_lib.training import train_steps

TRAINING = 0.7  # of a share; the rest is for measuring and drawing
PICTURES = 48
FEW = 4  # of whatever a smoke test measures


def train(name: str, options: argparse.Namespace) -> dict:
    """Train a recipe within its share of time, if that is enough; what is to be written down."""
    began = time.monotonic()
    recipe, device = import_module(f"course_lib.recipes.{name}"), pick_device()
    images = recipe.data().to(device)
    pace = seconds_a_step(recipe, images, 1 if options.smoke else 40)
    room = TRAINING * (options.seconds - (time.monotonic() - began))
    state, plan = options.work / f"{name}.state", options.work / f"{name}.plan"
    least = 2 if options.smoke else recipe.STEPS
    steps = record(plan).get("steps") or min(round(options.most * least), max(least, int(room / pace)))
    needs = pace * (steps - done_in(state)[0])
    found = {"steps": steps, "recipe's steps": recipe.STEPS, "seconds a step": pace, "examples": len(images)}
    if needs > room:
        return found | {"status": "not started", "needs": needs / TRAINING + time.monotonic() - began}
    write(plan, {"steps": steps})
    model = recipe.train(recipe.build().to(device), images, steps=steps, resume=state)
    done, energy = done_in(state)
    if done < steps:
        return found | {"status": "interrupted", "done": done}
    energy = shared(energy, options.beside)
    found |= {"training seconds": energy.seconds, "joules": energy.joules}
    data = f"{recipe.data.__doc__ or name} ({len(images):,} images)"
    keep = partial(
        save,
        options.work / f"{name}.safetensors",
        rounded(model),
        recipe=name,
        data=data,
        seed=recipe.SEED,
        energy=energy,
    )
    keep(metrics={})  # the weights are worth more than their measurement, which may be cut
    metrics, failure = measured(recipe, model, FEW if options.smoke else None)
    keep(metrics=metrics)
    shipped = info(name)["metrics"] if name in available() else {}
    found |= {"status": "trained", "metrics": metrics, "shipped": shipped, "seconds": time.monotonic() - began}
    if failure:
        found["measured on the CPU, because" if metrics else "not measured"] = failure
    return found | drawn(recipe, model, images, options.work / f"{name}.png", FEW if options.smoke else PICTURES)


def seconds_a_step(recipe, images, steps: int) -> float:
    """By two short trainings, of which the first warms up; with whatever else runs on the card."""
    for _ in range(2):
        start = finished()
        recipe.train(recipe.build().to(pick_device()), images, steps=steps)
        pace = (finished() - start) / steps
    return pace


def finished() -> float:
    """The time at which all that was asked of the card is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def done_in(state: Path) -> tuple[int, Energy]:
    """Steps that a run has made, and what they took."""
    if not state.exists():
        return 0, Energy({}, 0.0)
    left = torch.load(state, map_location="cpu", weights_only=True)
    return left["training"]["done"], Energy(**left["energy"])


def shared(energy: Energy, beside: int) -> Energy:
    """A card's counter, and RAPL's, see all that trains on it; equal parts are the best guess."""
    if beside == 1:
        return energy
    said = f"an equal part of what {beside} trained side by side took"
    own = {part for part in energy.joules if "core" in part}  # the estimate for this process's own cores
    joules = {part: value if part in own else value / beside for part, value in energy.joules.items()}
    return Energy({part if part in own else f"{part}, {said}": value for part, value in joules.items()}, energy.seconds)


def measured(recipe, model: Model, n: int | None) -> tuple[dict[str, float], str | None]:
    """The recipe's metrics, on the CPU if the card will not; and what went wrong, if something did."""
    few, failure = {"n": n} if n and "n" in inspect.signature(recipe.evaluate).parameters else {}, None
    for device in dict.fromkeys((pick_device(), torch.device("cpu"))):
        try:
            return recipe.evaluate(model.to(device), **few), failure
        except Exception:
            failure = traceback.format_exc()[-1500:]
    return {}, failure


def drawn(recipe, model: Model, images, file: Path, n: int) -> dict:
    """Write a page of samples; what went wrong, if something did."""
    try:
        with seeded(0, model.device):
            pictures, columns = samples(recipe, model, images, n)
        grid(pictures.cpu(), columns=columns, alt=f"Samples of {file.stem}").save(file)
        return {}
    except Exception:
        return {"not drawn": traceback.format_exc()[-1500:]}


def samples(recipe, model: Model, images, n: int) -> tuple[Tensor, int]:
    """Pictures, and how many make a row: what the recipe draws by itself, or of the first captions; clips as rows."""
    labels = torch.arange(n, device=model.device) % model.config.get("classes", 1)
    if hasattr(model, "possible"):  # it draws films
        clips = recipe.draw(model, labels[: math.ceil(n / 12)])
        return clips.flatten(0, 1), clips.shape[1]
    if hasattr(model, "read"):
        labels = model.read(images.captions[:n])
    if hasattr(recipe, "draw"):
        return recipe.draw(model, labels), 12
    told = (labels,) if "y" in inspect.signature(model.sample).parameters else ()
    return last(model.sample(n, *told)), 12


def step(options: argparse.Namespace) -> dict:
    """Milliseconds of a training step of fashion_flow: as it is, compiled, and as one CUDA graph of the whole step."""
    steps, warm = (2, 1) if options.smoke else (200, 10)
    ways = {"eager": lambda: loop(steps, warm)}
    if torch.cuda.is_available():  # compiling takes minutes on a CPU, and there are no graphs
        ways |= {"compiled": lambda: loop(steps, warm, compiled=True), "graph": lambda: graphed(steps)}
    found = {"batch": flow().BATCH, "steps": steps}
    for way, timed in ways.items():
        try:
            found[way] = timed()
        except Exception:  # the other ways are still worth knowing
            found[way] = {"failed": traceback.format_exc()[-1500:]}
    return found


def flow():
    return import_module("course_lib.recipes.fashion_flow")


def loop(steps: int, warm: int, compiled: bool = False) -> dict[str, float]:
    """`train_steps`: the first step, and the mean of the later ones after a few."""
    images = fashion().to(pick_device())
    training = iter(
        train_steps(flow().build().to(pick_device()), images.batches(flow().BATCH), steps + warm + 1, compile=compiled)
    )
    start = finished()
    next(training)
    first = finished() - start
    for _ in range(warm):
        next(training)
    start = finished()
    for _ in training:
        pass
    return {"first, s": first, "ms": 1e3 * (finished() - start) / steps}


def graphed(steps: int) -> dict[str, float]:
    """Loss, gradients and update, recorded once and replayed: one launch a step instead of a thousand.

    The noise is new in each replay, as torch's generator is part of the recording; the batch is copied in.
    """
    model, images = flow().build().to(pick_device()), fashion().to(pick_device())
    (objective,), mode = model.objectives(), precision(model.device)
    optimizer = torch.optim.AdamW(objective.params, lr=2e-3, fused=True, capturable=True)
    stream = images.batches(flow().BATCH)
    static = next(stream)

    def update() -> None:
        with torch.autocast("cuda", mode.dtype, cache_enabled=False):
            loss = objective.loss(static)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.params, 1.0)
        optimizer.step()

    start = finished()
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # kernels are chosen and memory is taken before anything is recorded
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            update()
    torch.cuda.current_stream().wait_stream(beside)
    optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update()
    first, start = finished() - start, finished()
    for _, batch in zip(range(steps), stream):
        static.x.copy_(batch.x)
        static.y.copy_(batch.y)
        graph.replay()
    return {"first, s": first, "ms": 1e3 * (finished() - start) / steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("train", "step"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--most", type=float, default=1.0)
    parser.add_argument("--beside", type=int, default=1)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    socket.setdefaulttimeout(10)  # a machine without a network should say so soon
    if options.part == "train":
        write(options.work / f"{options.name}.json", train(options.name, options))
    else:
        write(options.work / "step.json", step(options))


if __name__ == "__main__":
    sys.exit(main())
