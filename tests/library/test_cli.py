"""The `course` command: what it does, and that bad input gets one clear line and status 2."""

import sys
from types import ModuleType, SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import checkpoints, places
from course_lib.cli import main, models, notebooks
from course_lib.data.images import Images
from course_lib.diffusion.flow import Flow
from course_lib.ssms.video.dreamer import Dreamer

NOTEBOOK = '# %% tags=["bootstrap"]\nimport course_lib\n\n# %%\n1 + 1\n'


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """An untrained flow in a file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model = Flow(channels=1, size=8, width=32, depth=1, classes=3)
    checkpoints.save(path, model, recipe="none", data="none", seed=0, metrics={"loss": 1.0})
    return str(path)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A checkout of its own with one notebook source, seen by the command."""
    (tmp_path / "notebooks" / "src").mkdir(parents=True)
    (tmp_path / "notebooks" / "src" / "01_one.py").write_text(NOTEBOOK)
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/someone/else"\n')
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "course_lib")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("nonsense", "invalid choice"),
        ("run 99_none", "no notebook is called '99_none'"),
        ("run 99_none --profile huge", "invalid choice: 'huge'"),
        ("build 99_none", "no source is called '99_none'"),
        ("sample none", "no checkpoint named 'none'"),
        ("sample none.safetensors", "no checkpoint at none.safetensors"),
        ("sample none --n 0", "--n must be 1 or more, got 0"),
        ("sample none --n many", "invalid int value: 'many'"),
        ("sample none --out picture.gif", "--out must end in .png or .npz"),
        ("sample none --caption star --label 1", "--label and --caption cannot both hold"),
        ("sample fashion_features", "draws no images"),
        ("train none", "no recipe is called 'none'; there are: "),
        ("train fashion_flow --out weights.pt", "--out must end in .safetensors"),
        ("train fashion_flow --resume --out nowhere/x.safetensors", "nothing to resume"),
        ("evaluate none", "no checkpoint named 'none'"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(house, capsys, arguments, told):
    try:
        status = main(arguments.split())
    except SystemExit as end:  # argparse's own way
        status = end.code
    stderr = capsys.readouterr().err
    assert status == 2
    assert told in stderr
    assert stderr.count("\n") == 1


def test_a_missing_extra_is_named(house, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    monkeypatch.delitem(sys.modules, "course_lib.notebooks.build", raising=False)
    assert main(["build", "--check"]) == 2
    assert "pip install 'course-lib[lab]'" in capsys.readouterr().err


def test_build_check_build_run(house, capsys):
    assert main(["build", "--check"]) == 1
    assert capsys.readouterr().err == "notebooks/01_one.ipynb is missing: course build 01_one\n"
    assert main(["build", "01_one", "--profile", "smoke"]) == 0
    assert main(["build", "--check"]) == 0
    assert main(["run", "01_one", "--out", str(house / "pages")]) == 0
    assert "<pre>2</pre>" in "".join((house / "pages" / "01_one.html").read_text().split())


def test_a_notebook_without_source_is_found(house, capsys):
    nbformat.write(nbformat.v4.new_notebook(), house / "notebooks" / "02_orphan.ipynb")
    assert main(["build", "--check"]) == 1
    assert "02_orphan.ipynb has no source" in capsys.readouterr().err


def test_a_failing_notebook_is_status_1_and_names_the_cell(house, capsys):
    source = house / "notebooks" / "src" / "01_one.py"
    source.write_text(NOTEBOOK.replace("1 + 1", "1 / 0"))
    assert main(["build", "--profile", "smoke"]) == 1
    assert "01_one, cell 2: ZeroDivisionError" in capsys.readouterr().err


def test_an_installed_course_is_copied_and_edits_are_kept(tmp_path, monkeypatch):
    shipped = tmp_path / "site" / "course_lib" / "shipped"
    for folder in ("notebooks", "exercises"):
        (shipped / folder).mkdir(parents=True)
        (shipped / folder / "01_one.ipynb").write_text("new")
    monkeypatch.setattr(places, "PACKAGE", shipped.parent)
    assert places.checkout() is None
    target = notebooks.copied(tmp_path / "mine")
    (target / "notebooks" / "01_one.ipynb").write_text("edited")
    notebooks.copied(tmp_path / "mine")
    assert (target / "notebooks" / "01_one.ipynb").read_text() == "edited"
    assert (target / "exercises" / "01_one.ipynb").read_text() == "new"


def test_lab_opens_the_first_notebook(house, monkeypatch):
    called = []
    started = lambda command: called.append(command) or SimpleNamespace(returncode=0)
    monkeypatch.setattr(notebooks.subprocess, "run", started)
    (house / "notebooks" / "01_one.ipynb").write_text("{}")
    assert main(["lab", "--no-browser", "--port", "8899"]) == 0
    assert called[0][:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/01_one.ipynb" in called[0]
    assert "--no-browser" in called[0]
    assert "--port=8899" in called[0]


def test_samples_as_arrays(checkpoint, tmp_path):
    out = tmp_path / "new" / "samples.npz"
    assert main(["sample", checkpoint, "--n", "5", "--out", str(out)]) == 0
    stored = np.load(out)
    assert stored["pixels"].shape == (5, 8, 8, 1)
    assert stored["pixels"].dtype == np.uint8
    assert stored["labels"].tolist() == [0, 1, 2, 0, 1]


def test_the_seed_decides_and_a_label_holds_for_all(checkpoint, tmp_path):
    def pixels(seed: int) -> np.ndarray:
        main(["sample", checkpoint, "--n", "2", "--label", "1", "--seed", str(seed), "--out", str(tmp_path / "s.npz")])
        stored = np.load(tmp_path / "s.npz")
        assert stored["labels"].tolist() == [1, 1]
        return stored["pixels"]

    assert (pixels(0) == pixels(0)).all()
    assert (pixels(0) != pixels(1)).any()


def test_samples_as_a_picture(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))  # where the key lies that signs pictures
    out = tmp_path / "grid.png"
    assert main(["sample", checkpoint, "--n", "7", "--out", str(out)]) == 0
    assert Image.open(out).size == (3 * 8 + 4 * 2, 3 * 8 + 4 * 2)  # three a row, 2 px between


def test_films_are_drawn_as_films(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    torch.manual_seed(0)
    model = Dreamer(size=24, frames=3, patch=8, width=8, depth=1)
    film = tmp_path / "film.safetensors"
    checkpoints.save(film, model, recipe="none", data="none", seed=0, metrics={})
    assert main(["sample", str(film), "--n", "4", "--out", str(tmp_path / "films.png")]) == 0
    assert Image.open(tmp_path / "films.png").n_frames == 3
    assert main(["sample", str(film), "--n", "2", "--out", str(tmp_path / "films.npz")]) == 0
    assert np.load(tmp_path / "films.npz")["pixels"].shape == (2, 3, 24, 24, 1)


def test_classes_take_turns_where_only_the_model_knows_them(tmp_path):
    assert main(["sample", "digits_mamba", "--n", "3", "--out", str(tmp_path / "digits.npz")]) == 0
    assert np.load(tmp_path / "digits.npz")["labels"].tolist() == [0, 1, 2]


def test_a_place_that_takes_no_file_is_told_before_all_work(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "_draw", lambda model, labels: pytest.fail("drawn in vain"))
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.safetensors").mkdir()
    assert main(["sample", checkpoint, "--out", str(tmp_path / "file" / "grid.png")]) == 1
    assert main(["sample", checkpoint, "--out", str(tmp_path / "folder.png")]) == 2
    assert main(["train", "fashion_flow", "--out", str(tmp_path / "folder.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_a_label_must_exist(checkpoint, capsys):
    assert main(["sample", checkpoint, "--label", "3"]) == 2
    assert "--label must be in 0..2, got 3" in capsys.readouterr().err


@pytest.fixture
def recipe(monkeypatch):
    """A recipe that trains nothing; its `stop_at` is where an interruption happens."""

    def train(model, images, resume):
        energy = {"joules": {"processor": 36.0}, "seconds": 3.0}
        torch.save({"training": {"done": min(recipe.stop_at, recipe.STEPS)}, "energy": energy}, resume)
        return model

    def data():
        """Blank images."""
        return Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("blank",))

    recipe = ModuleType("recipe")
    recipe.STEPS, recipe.SEED, recipe.stop_at = 10, 7, 10
    recipe.build = lambda: Flow(channels=1, size=8, width=32, depth=1, classes=3)
    recipe.train, recipe.data, recipe.evaluate = train, data, lambda model: {"distance": 0.25}
    monkeypatch.setattr(models, "_recipes", lambda: ["blank"])
    monkeypatch.setattr(models, "import_module", lambda name: recipe)
    return recipe


def test_train_writes_a_checkpoint_that_states_its_metric(recipe, tmp_path, capsys):
    out = tmp_path / "blank.safetensors"
    assert main(["train", "blank", "--out", str(out)]) == 0
    header = checkpoints.info(str(out))
    assert header["recipe"] == "blank"
    assert header["seed"] == 7
    assert header["metrics"] == {"distance": 0.25}
    assert header["energy"] == {"joules": {"processor": 36.0}, "seconds": 3.0}
    assert "trained with 36 J" in capsys.readouterr().out
    assert header["data"] == "Blank images. (4 images)"
    assert not out.with_suffix(".state").exists()
    assert main(["evaluate", str(out)]) == 0
    assert "distance" in capsys.readouterr().out


def test_an_interrupted_training_writes_no_checkpoint_and_can_go_on(recipe, tmp_path, capsys):
    out = tmp_path / "blank.safetensors"
    recipe.stop_at = 4
    assert main(["train", "blank", "--out", str(out)]) == 130
    assert "stopped at step 4 of 10; go on with --resume" in capsys.readouterr().err
    assert not out.exists()
    recipe.stop_at = 10
    assert main(["train", "blank", "--out", str(out)]) == 2
    assert "is of an interrupted training: go on with --resume" in capsys.readouterr().err
    assert main(["train", "blank", "--out", str(out), "--resume"]) == 0
    assert out.exists()


def test_doctor_finds_data_and_weights_in_place(capsys):
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for name in ("profile smoke", "energy: ", "torch", "disk", "data fashion", *checkpoints.available()):
        assert name in told
    assert "BAD" not in told


def test_doctor_tells_what_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "available", lambda: ["broken"])
    monkeypatch.setattr(checkpoints, "info", lambda name: {"metrics": {}})
    assert main(["doctor"]) == 1
    assert "BAD  weights broken" in capsys.readouterr().out
