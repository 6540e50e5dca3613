"""A checkpoint is what it says, or is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from course_lib.checkpoints import available, info, load, pretrained, rounded, save
from course_lib.diffusion.flow import Flow


@pytest.fixture
def model() -> Flow:
    model = Flow(size=8, width=32, depth=1, classes=3)
    torch.nn.init.normal_(model.net.unfold.weight)
    return model.eval()


@pytest.fixture
def path(model, tmp_path):
    save(tmp_path / "m.safetensors", model, recipe="none", data="noise", seed=3, metrics={"distance": 1.5})
    return tmp_path / "m.safetensors"


def answer(model: Flow) -> torch.Tensor:
    x = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
    with torch.no_grad():
        return model.net(x, torch.tensor([0.5]), torch.tensor([1]))


def rewritten(path, change):
    with safe_open(str(path), "pt") as file:
        header = json.loads(file.metadata()["course"])
    weights = load_file(path)
    change(header, weights)
    save_file(weights, path, metadata={"course": json.dumps(header)})


def test_what_is_loaded_is_what_was_saved(model, path):
    loaded = load(path)
    assert loaded.config == model.config
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    assert torch.allclose(answer(loaded), answer(model), atol=0.02)  # half precision
    assert torch.equal(answer(loaded), answer(rounded(model)))


def test_a_file_says_what_it_is(path):
    said = info(str(path))
    assert said["model"] == "course_lib.diffusion.flow:Flow"
    assert (said["recipe"], said["data"], said["seed"], said["metrics"]) == ("none", "noise", 3, {"distance": 1.5})


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint at"):
        load(tmp_path / "none.safetensors")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="fashion_features"):
        pretrained("stable_diffusion")


@pytest.mark.parametrize("cut", [0, 5, 200, -100])
def test_a_truncated_file(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="damaged"):
        load(path)


def test_one_flipped_bit_in_the_weights(path):
    data = bytearray(path.read_bytes())
    data[-11] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="hash"):
        load(path)


def test_safetensors_of_somebody_else(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="no checkpoint of this course"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "name", ["os:system", "course_lib.device:setup", "course_lib.nothing:At", "course_lib.model:No"]
)
def test_a_file_cannot_name_what_is_not_a_model_of_the_course(path, name):
    rewritten(path, lambda header, weights: header.update(model=name))
    with pytest.raises(ValueError, match="course_lib"):
        load(path)


def test_a_config_that_does_not_fit_the_weights(path):
    rewritten(path, lambda header, weights: header["config"].update(width=64))
    with pytest.raises(ValueError, match="does not fit"):
        load(path)


def test_a_config_of_another_version(path):
    rewritten(path, lambda header, weights: header["config"].update(registers=4))
    with pytest.raises(ValueError, match="perhaps of another version: .*registers"):
        load(path)


def test_every_shipped_checkpoint_loads_and_states_its_metric():
    assert {"fashion_features", "fashion_flow"} <= set(available())
    for name in available():
        assert pretrained(name).config == info(name)["config"]
        assert info(name)["metrics"]
        assert info(name)["recipe"]
