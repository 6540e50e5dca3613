"""Synthesis: every family is asked in the same way, answers in the same form, and shows what it was asked for."""

import pytest
import torch
from PIL import Image

from course_lib.applications import synthesis
from course_lib.applications.own import fit_flow
from course_lib.checkpoints import info
from course_lib.data.folder import folder
from course_lib.data.images import to_uint8
from course_lib.data.reading import score
from course_lib.model import last

FASHION = ["fashion_by_gan", "fashion_by_vae", "fashion_by_flow", "fashion_by_raster", "fashion_by_maskgit"]
FASHION.append("fashion_by_scales")
FACES = ["faces_by_gan", "faces_by_vae"]


@pytest.mark.parametrize("name", FASHION + FACES)
def test_one_image_a_label_from_a_seed(name):
    draw, labels = getattr(synthesis, name), torch.tensor([1, 7, 1])
    images = draw(labels, 0)
    assert images.shape == ((3, 1, 28, 28) if name in FASHION else (3, 3, 16, 16))
    assert images.min() >= -1
    assert images.max() <= 1
    assert not images.requires_grad
    assert torch.equal(draw(labels, 0), images)
    assert not torch.equal(draw(labels, 1), images)
    assert not torch.equal(images[0], images[2]), "two draws of one class differ"


@pytest.mark.parametrize("name", FASHION)
def test_clothes_are_of_the_class_that_was_asked_for(name):
    labels = torch.arange(20) % 10
    images = getattr(synthesis, name)(labels, 0)
    assert synthesis.fashion_obeyed(images, labels) > 0.6
    assert synthesis.fashion_obeyed(images, (labels + 1) % 10) < 0.3


@pytest.mark.parametrize("name", FACES)
def test_faces_show_what_they_were_told(name):
    labels = torch.arange(48) % 24
    obeyed = synthesis.faces_obeyed(getattr(synthesis, name)(labels, 0), labels)
    assert list(obeyed) == list(synthesis.TOLD)
    assert min(obeyed.values()) > 0.6
    assert obeyed["hat"] > 0.85


@pytest.mark.parametrize("name", FASHION + FACES)
def test_labels_that_no_family_knows_are_refused(name):
    for labels in (torch.tensor([-1]), torch.tensor([24]), torch.zeros(0, dtype=torch.int64)):
        with pytest.raises(ValueError, match="label|n must be"):
            getattr(synthesis, name)(labels, 0)


def test_pictures_from_words():
    caption = "a small red star above a large blue circle"
    images = synthesis.shapes_from_words([caption] * 2, 0)
    assert images.shape == (2, 3, 32, 32)
    assert score(to_uint8(images), (caption,) * 2)["exact"] == 1
    assert synthesis.emoji_from_words(["noto red heart"], 0).shape == (1, 3, 32, 32)


def test_what_is_stated_is_what_the_file_says():
    row = synthesis.stated("fashion_gan")
    assert row["distance"] == info("fashion_gan")["metrics"]["distance"]
    assert 0 < row["parameters"] < 2_000_000


def test_your_own_folder_is_drawn_from(tmp_path):
    """Two classes of pictures in two subfolders: one is dark, the other bright, and so are the draws of each."""
    for i in range(16):
        for name, level in (("bright", 200 + i), ("dark", 20 + i)):
            (tmp_path / name).mkdir(exist_ok=True)
            suffix = ("png", "jpg")[i % 2]
            Image.new("RGB", (20 + i, 30), (level, level // 2, level)).save(tmp_path / name / f"{i}.{suffix}")
    flow = fit_flow(folder(tmp_path, size=8), steps=60)
    bright, dark = last(flow.sample(8, torch.arange(8) % 2, steps=8)).view(4, 2, -1).mean(dim=(0, 2))
    assert bright > dark + 0.5
    assert flow.config["classes"] == 2
