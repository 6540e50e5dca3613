"""course sample, train, evaluate.

A recipe is a module of course_lib/recipes with `build()`, `data()`, `train(model, images, resume=...)`
and `evaluate(model)`. One that draws its images in a particular way (guidance, steps) says so in
`draw(model, labels)`, and `course sample` draws them in the same way; a model that reads captions (`read`) gets
their tokens instead of labels.
"""

import inspect
import math
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from course_lib import recipes
from course_lib.checkpoints import info, load, pretrained, rounded, save
from course_lib.cli.provenance import attest
from course_lib.data.images import to_uint8
from course_lib.device import pick_device, seeded
from course_lib.energy import Energy
from course_lib.model import Model, last
from course_lib.training.parallel import rank

BATCH = 250


def sample(options) -> int:
    """Draw images and write them as one picture or as arrays."""
    out = options.out or Path(f"{Path(options.name).stem}.png")
    if options.n < 1:
        raise ValueError(f"--n must be 1 or more, got {options.n}")
    if out.suffix not in WRITERS or out.is_dir():
        raise ValueError(f"--out must end in {' or '.join(WRITERS)} and be no folder, got {str(out)!r}")
    if None not in (options.label, options.caption):
        raise ValueError("--label and --caption cannot both hold: a model takes one or the other")
    model = _model(options.name)
    draw = getattr(_recipe_of(options.name), "draw", _draw)
    asked = _labels(model, options.n, options.label) if options.caption is None else _read(model, options)
    out.parent.mkdir(parents=True, exist_ok=True)  # if that fails, then before all work
    with seeded(options.seed, model.device):
        parts = [
            to_uint8(draw(model, part).cpu())
            for part in tqdm(asked.split(BATCH), unit="batch", disable=options.n <= BATCH)
        ]
    WRITERS[out.suffix](out, torch.cat(parts), asked.cpu())
    if out.suffix == ".png":
        attest(out, options)
    print(out)
    return 0


def _model(name: str) -> Model:
    model = load(name) if name.endswith(".safetensors") else pretrained(name)
    return model.to(pick_device())


def _labels(model: Model, n: int, label: int | None) -> Tensor:
    classes = model.config.get("classes", getattr(model, "classes", 0))
    if label is not None and not 0 <= label < classes:
        raise ValueError(f"--label must be in 0..{classes - 1}, got {label}" if classes else "the model has no labels")
    if hasattr(model, "read"):
        return torch.zeros(n, model.length, dtype=torch.int64, device=model.device)  # no words: anything
    if not classes:
        return torch.full((n,), -1, device=model.device)
    return torch.arange(n, device=model.device) % classes if label is None else torch.full((n,), label).to(model.device)


def _read(model: Model, options) -> Tensor:
    """The caption as tokens, once for each image."""
    if not hasattr(model, "read"):
        raise ValueError(f"{options.name} reads no captions: it takes --label, or nothing")
    return model.read([options.caption] * options.n)


def _draw(model: Model, labels: Tensor) -> Tensor:
    takes_labels = "y" in inspect.signature(model.sample).parameters
    return last(model.sample(len(labels), labels) if takes_labels else model.sample(len(labels)))


def _write_grid(out: Path, pixels: Tensor, labels: Tensor) -> None:
    from PIL import Image
    from torchvision.utils import make_grid

    if pixels.ndim == 5:
        return _write_films(out, pixels)
    grid = make_grid(pixels, nrow=math.ceil(math.sqrt(len(pixels))), padding=2, pad_value=255)
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(out)


def _write_films(out: Path, clips: Tensor) -> None:
    """Side by side, moving: a browser shows an animated PNG as it shows a picture."""
    from course_lib.plotting import animation

    columns = math.ceil(math.sqrt(len(clips)))
    animation(clips.transpose(0, 1), columns=columns, alt=f"{len(clips)} drawn films").save(out)


def _write_arrays(out: Path, pixels: Tensor, labels: Tensor) -> None:
    np.savez_compressed(out, pixels=pixels.movedim(-3, -1).numpy(), labels=labels.numpy())


WRITERS = {".png": _write_grid, ".npz": _write_arrays}


def train(options) -> int:
    """Train a recipe, measure the result and write its checkpoint."""
    recipe = _recipe(options.recipe)
    out = options.out or Path(f"{options.recipe}.safetensors")
    if out.suffix != ".safetensors" or out.is_dir():
        raise ValueError(f"--out must end in .safetensors and be no folder, got {str(out)!r}")
    state = _state(out, options.resume)
    images = recipe.data().to(pick_device())
    model = recipe.train(recipe.build().to(pick_device()), images, resume=state)
    if rank():
        return 0  # torchrun started several processes: the first one measures and writes
    done, energy = _left_in(state)
    if done < recipe.STEPS:
        print(f"course: stopped at step {done} of {recipe.STEPS}; go on with --resume ({state})", file=sys.stderr)
        return 130
    metrics = recipe.evaluate(rounded(model))
    data = f"{recipe.data.__doc__ or options.recipe} ({len(images):,} images)"
    save(out, model, recipe=options.recipe, data=data, seed=recipe.SEED, metrics=metrics, energy=energy)
    state.unlink()
    print(out, *(f"{name} {value:.4g}" for name, value in metrics.items()), sep="  ")
    print(f"trained with {energy}")
    return 0


def _state(out: Path, resume: bool) -> Path:
    state = out.with_suffix(".state")
    if rank():
        return state  # of several processes the first one reads and writes it
    if resume and not state.exists():
        raise ValueError(f"there is nothing to resume: no {state}")
    if state.exists() and not resume:
        raise ValueError(f"{state} is of an interrupted training: go on with --resume, or delete it to start anew")
    out.parent.mkdir(parents=True, exist_ok=True)
    return state


def _left_in(state: Path) -> tuple[int, Energy]:
    """The steps that a run has made and the joules that they took."""
    left = torch.load(state, map_location="cpu", weights_only=True)
    return left["training"]["done"], Energy(**left["energy"])


def evaluate(options) -> int:
    """Measure a checkpoint as its recipe does, beside what it states."""
    model, stated = _model(options.name), info(options.name)
    recipe = _recipe(stated["recipe"])
    print(f"{options.name}: {stated['model']}, {stated['data']}, seed {stated['seed']}")
    print(f"{'metric':<24}{'stated':>12}{'measured':>12}")
    for name, value in recipe.evaluate(model).items():
        print(f"{name:<24}{stated['metrics'].get(name, math.nan):>12.4g}{value:>12.4g}")
    return 0


def _recipe_of(name: str) -> ModuleType | None:
    recipe = info(name)["recipe"]
    return _recipe(recipe) if recipe in _recipes() else None


def _recipe(name: str) -> ModuleType:
    if name not in _recipes():
        raise ValueError(f"no recipe is called {name!r}; there are: {', '.join(_recipes())}")
    return import_module(f"course_lib.recipes.{name}")


def _recipes() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))
