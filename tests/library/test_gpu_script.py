"""The GPU script in smoke form, and its parts one by one."""

import argparse
import json
import math
import pkgutil
import sys
import types
import zipfile
from importlib import import_module
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks import gpu, gpu_files, gpu_job
from course_lib import recipes
from course_lib.checkpoints import load, pretrained
from course_lib.data.images import Batch, Images
from course_lib.energy import Energy
from course_lib.model import Model
from course_lib.recipes import emoji_flow
from course_lib.training import fit, train_steps


def small(out: Path) -> list[str]:
    return ["--smoke", "--minutes", "30", "--out", str(out)]


@pytest.mark.slow
def test_all_of_it_in_small(tmp_path, capfd):
    out = tmp_path / "out"
    assert gpu.main(small(out)) == 0
    files = {file.name: file.stat().st_size for file in out.iterdir()}
    assert set(files) == {"results.json", "log.txt", "pictures.zip", "weights-1.zip"}
    assert max(files.values()) <= gpu_files.LARGEST
    found = json.loads((out / "results.json").read_text())
    assert found["measured"]["step"]["eager"]["ms"] > 0
    assert found["machine"]["torch"] == torch.__version__
    for name in ("digits_mamba", "night_flow"):
        recipe = found["recipes"][name]
        assert (recipe["status"], recipe["steps"]) == ("trained", 2)
        assert recipe["metrics"].keys() == recipe["shipped"].keys()
        assert sum(recipe["joules"].values()) > 0
        assert not {"not measured", "not drawn"} & set(recipe)
    with zipfile.ZipFile(out / "weights-1.zip") as weights, zipfile.ZipFile(out / "pictures.zip") as pictures:
        assert weights.namelist() == ["digits_mamba.safetensors", "night_flow.safetensors"]
        assert {"digits_mamba.png", "night_flow.png"} <= set(pictures.namelist())
        weights.extractall(tmp_path)
    assert load(tmp_path / "night_flow.safetensors").config["size"] == 32

    assert capfd.readouterr().out.count("at most") >= 3
    assert gpu.main(small(out)) == 0
    assert capfd.readouterr().out.count("at most") == 0  # nothing is done twice
    assert json.loads((out / "results.json").read_text()) == found


def test_every_recipe_is_trained_or_pinned():
    jobs = [job.name for job in gpu.planned()]
    assert sorted([*jobs, *gpu.PINNED]) == sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))
    assert {job.name for job in (*gpu.RECIPES, *gpu.SMOKE)} <= set(jobs)


def test_recipes_whose_pictures_are_not_here_come_last(monkeypatch):
    monkeypatch.setattr(gpu, "whole_fashion", lambda: False)
    jobs = [job.name for job in gpu.planned()]
    assert jobs[0] == "sprites_video"
    assert jobs.index("fashion_flow") > jobs.index("digits_mamba")
    monkeypatch.setattr(gpu, "whole_fashion", lambda: True)
    assert gpu.planned()[0].name == "fashion_flow"


class Dot(Model):
    """One number that should become another one."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": (self.value - 1).square().sum()}

    def sample(self, n: int):
        yield torch.zeros(n, 1, 4, 4)


def until(stop: int, batches):
    """Batches, and a Ctrl-C instead of the one numbered `stop`."""
    yield from islice(batches, stop)
    raise KeyboardInterrupt


@pytest.fixture
def tiny(monkeypatch):
    """A recipe of a hundred steps of no time at all."""

    def train(model, images, steps=100, resume=None):
        fit(train_steps(model, until(recipe.stop, images.batches(2)), steps), resume=resume)
        return model

    recipe = types.ModuleType("course_lib.recipes.tiny")
    recipe.STEPS, recipe.SEED, recipe.build, recipe.train, recipe.stop = 100, 0, Dot, train, 1000
    recipe.data = lambda: Images(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.arange(4))
    recipe.evaluate = lambda model: {"value": model.value.item()}
    monkeypatch.setitem(sys.modules, recipe.__name__, recipe)
    monkeypatch.setattr(gpu_job, "seconds_a_step", lambda recipe, images, steps: 0.1)
    return recipe


def options(work: Path, seconds: float, most: float = 4.0) -> argparse.Namespace:
    return argparse.Namespace(work=work, seconds=seconds, most=most, beside=1, smoke=False)


@pytest.mark.parametrize(("seconds", "steps"), [(20, 139), (1000, 400)])
def test_steps_fill_the_share_up_to_a_multiple_of_the_recipes(tiny, tmp_path, seconds, steps):
    """At a tenth of a second a step, 70 % of twenty seconds are 140 steps, less the moment that the start took."""
    found = gpu_job.train("tiny", options(tmp_path, seconds))
    assert found["status"] == "trained"
    assert 100 < found["steps"] <= steps
    assert load_weights(tmp_path) == pytest.approx(found["metrics"]["value"], abs=1e-9)


def load_weights(work: Path) -> float:
    return load_file(work / "tiny.safetensors")["value"].item()


def test_what_cannot_finish_is_not_started(tiny, tmp_path):
    tiny.train = None  # would fail
    found = gpu_job.train("tiny", options(tmp_path, seconds=14.0))
    assert found["status"] == "not started"
    assert found["needs"] == pytest.approx(10 / gpu_job.TRAINING, abs=3.0)
    gpu_files.write(tmp_path / "digits_mamba.json", found)
    asked = argparse.Namespace(smoke=False, only=["digits_mamba", "fashion_map"], work=tmp_path)
    for minutes, names in ((0.4, ["fashion_map"]), (1.0, ["fashion_map", "digits_mamba"])):
        assert [job.name for job in gpu.waiting(asked, gpu.Budget(minutes))] == names


def test_an_interrupted_recipe_goes_on(tiny, tmp_path):
    tiny.stop = 30
    with pytest.warns(UserWarning, match="stopped at step 30 of 100"):
        found = gpu_job.train("tiny", options(tmp_path, 1000, most=1.0))
    assert (found["status"], found["done"]) == ("interrupted", 30)
    tiny.stop = 1000
    found = gpu_job.train("tiny", options(tmp_path, 14.0, most=4.0))  # room for the seventy that are left, no more
    assert (found["status"], found["steps"]) == ("trained", 100)


def test_weights_outlive_a_measurement_that_fails(tiny, tmp_path):
    def evaluate(model):
        raise RuntimeError("expected all tensors to be on the same device")

    tiny.evaluate = evaluate
    found = gpu_job.train("tiny", options(tmp_path, 1000))
    assert found["status"] == "trained"
    assert found["metrics"] == {}
    assert "on the same device" in found["not measured"]
    assert math.isfinite(load_weights(tmp_path))


def test_a_part_that_fails_or_takes_too_long_is_told(tmp_path):
    failure = gpu.run(["timeit", "-n", "1", "1 / 0"], tmp_path / "log", 60, 1)
    assert failure.startswith("status 1")
    assert "ZeroDivisionError" in failure
    assert gpu.run(["timeit", "-n", "1", "import time; time.sleep(60)"], tmp_path / "log", 0.5, 1) == "cut after 0 s"
    assert gpu.run(["timeit", "-n", "1", "-r", "1", "1"], tmp_path / "log", 60, 1) is None


def test_time_is_shared_by_weight():
    """Of 2 x 100 s the first may have 3/4, but no more than 100; the second 1/4."""
    asked = argparse.Namespace(beside=2, least=0, smoke=True)
    budget = types.SimpleNamespace(left=lambda: 100.0)
    lanes = gpu.Lanes([gpu.Job("a", 3.0), gpu.Job("b", 1.0)], asked, budget)
    assert [lanes._next()[1] for _ in range(2)] == [100.0, 50.0]
    assert lanes._next() is None


def test_nothing_is_started_at_the_end():
    asked = argparse.Namespace(beside=1, least=30.0)
    assert gpu.Lanes([gpu.Job("a")], asked, types.SimpleNamespace(left=lambda: 29.0))._next() is None


def test_at_most_eight_files_none_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_files.parts, "__defaults__", (1000,))
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    for number in range(20):
        (work / f"{number:02}.safetensors").write_bytes(bytes(499))
    (work / "huge.safetensors").write_bytes(bytes(1001))
    files = gpu_files.pack(work, out)
    assert len(files) == gpu_files.FILES
    with zipfile.ZipFile(out / "weights-2.zip") as archive:
        assert archive.namelist() == ["02.safetensors", "03.safetensors"]
    for number in range(2, 20):
        (work / f"{number:02}.safetensors").unlink()
    assert [file.name for file in gpu_files.pack(work, out) if "weights" in file.name] == ["weights-1.zip"]


def test_wheels_are_unpacked_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setenv("PYTHONPATH", "before")
    with zipfile.ZipFile(tmp_path / "carried-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried_package.py", "x = 1")
    assert gpu_files.missing(["carried_package", "torch"]) == "carried_package"
    gpu_files.unpack(tmp_path, tmp_path / "site")
    assert gpu_files.missing(["carried_package", "torch"]) == ""


def test_joules_of_a_shared_card_are_divided():
    energy = Energy({"processor, estimated as 12 W a busy core": 5.0, "H100, measured by NVML": 80.0}, 9.0)
    assert gpu_job.shared(energy, 1) == energy
    joules = gpu_job.shared(energy, 4).joules
    assert list(joules.values()) == [5.0, 20.0]
    assert "4 trained side by side" in list(joules)[1]


@pytest.mark.parametrize(
    ("name", "shape", "columns"),
    [("fashion_map", (2, 1, 28, 28), 12), ("sprites_video", (12, 1, 32, 32), 12), ("faces_skewed", (2, 3, 16, 16), 12)],
)
def test_samples_of_each_kind(name, shape, columns):
    recipe = import_module(f"course_lib.recipes.{name}")
    pictures, found = gpu_job.samples(recipe, pretrained(name), None, 2)
    assert (tuple(pictures.shape), found) == (shape, columns)


def test_samples_of_a_model_that_reads():
    pictures, _ = gpu_job.samples(emoji_flow, pretrained("emoji_flow"), emoji_flow.data(), 2)
    assert pictures.shape == (2, 3, 32, 32)
