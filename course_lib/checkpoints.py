"""Weights that say what they are.

A checkpoint is one safetensors file: the weights in half precision and, in its header, the class
and configuration that build the model, the recipe, data and seed that trained it, the metric that it
reached, the joules that it took, and a hash of the weights. Nothing in it is code, and nothing is unpickled.
"""

import hashlib
import json
import pkgutil
from importlib.resources import files
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from course_lib.energy import Energy
from course_lib.model import Model

HEADER = "course"
WEIGHTS = files("course_lib") / "weights"
SUFFIX = ".safetensors"


def save(
    path: Path | str,
    model: Model,
    *,
    recipe: str,
    data: str,
    seed: int,
    metrics: dict[str, float],
    energy: Energy | None = None,
) -> None:
    """Write a model's weights, in half precision, with all that is needed to judge and rebuild it.

    Parameters
    ----------
    path : path
        Ends in .safetensors.
    model : Model
    recipe, data : str
        What trained it, on what.
    seed : int
    metrics : dict of str to float
        What it reached, measured on the weights as they are stored.
    energy : Energy, optional
        What its training took, as the meter of `fit` read it.
    """
    weights = {name: _halved(tensor) for name, tensor in model.state_dict().items()}
    header = {
        "model": f"{type(model).__module__}:{type(model).__qualname__}",
        "config": model.config,
        "recipe": recipe,
        "data": data,
        "seed": seed,
        "metrics": metrics,
        "sha256": _sha256(weights),
    } | ({"energy": energy._asdict()} if energy else {})
    save_file(weights, str(path), metadata={HEADER: json.dumps(header)})


def load(path: Path | str) -> Model:
    """Rebuild a model from its file, in float32 on the CPU, ready to sample.

    Raises
    ------
    ValueError
        If the file is missing, is no checkpoint of this course, or its weights are not those that
        were saved.
    """
    header, weights = _read(Path(path))
    if _sha256(weights) != header["sha256"]:
        raise ValueError(f"{path} is damaged: its weights do not have the hash that it states. Fetch it again.")
    try:
        model = _class(header["model"], path)(**header["config"])
        model.load_state_dict(weights)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit {header['model']}, perhaps of another version: {error}") from error
    return model.eval()


def pretrained(name: str) -> Model:
    """A checkpoint that ships with the course.

    Examples
    --------
    >>> pretrained("fashion_flow").config["classes"]
    10
    """
    return load(_shipped(name))


def available() -> list[str]:
    """The names that `pretrained` knows."""
    return sorted(file.name.removesuffix(SUFFIX) for file in WEIGHTS.iterdir() if file.name.endswith(SUFFIX))


def info(name: str) -> dict:
    """What a shipped checkpoint (by name) or a file (by path) says of itself: model, config, recipe, data, metrics."""
    return _read(Path(name) if str(name).endswith(SUFFIX) else _shipped(name))[0]


def rounded(model: Model) -> Model:
    """The model with its weights as a checkpoint stores them; what is measured on it holds for the file."""
    model.load_state_dict({name: _halved(tensor).to(tensor.dtype) for name, tensor in model.state_dict().items()})
    return model


def _shipped(name: str) -> Path:
    if name not in available():
        raise ValueError(f"no checkpoint named {name!r} ships with the course; there are: {', '.join(available())}")
    return Path(str(WEIGHTS / f"{name}{SUFFIX}"))


def _read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    if not path.is_file():
        raise ValueError(f"there is no checkpoint at {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no checkpoint of this course, or is damaged: {error!r}") from error
    return header, weights


def _class(name: str, path: Path | str) -> type[Model]:
    # A file from elsewhere may name anything; only a Model of this package is ever built.
    if not name.startswith("course_lib."):
        raise ValueError(f"{path} names {name!r}, which is not a model of course_lib")
    try:
        model = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path} needs {name!r}, which this version of course_lib does not have") from error
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise ValueError(f"{path} names {name!r}, which is not a model of course_lib")
    return model


def _halved(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().half().contiguous() if tensor.is_floating_point() else tensor.cpu().contiguous()


def _sha256(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()
