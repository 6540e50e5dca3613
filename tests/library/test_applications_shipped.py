"""textures_flow as it ships: what it finds, what it draws, and what no squared error finds."""

import pytest
import torch

from course_lib.applications.anomaly import by_denoising, expectation, heat_maps, image_scores
from course_lib.applications.detecting import either_way
from course_lib.checkpoints import info, pretrained
from course_lib.data.textures import DEFECTS, MATERIALS, textures
from course_lib.device import seeded
from course_lib.metrics import auroc
from course_lib.recipes.textures_flow import TIMES, draw, evaluate


@pytest.fixture(scope="module")
def flow():
    return pretrained("textures_flow")


def test_it_finds_defects_about_as_well_as_it_says(flow):
    found, stated = evaluate(flow, n=108), info("textures_flow")["metrics"]
    assert list(found) == list(stated)
    assert found["AUROC"] == pytest.approx(stated["AUROC"], abs=0.06)
    assert found["AUPRO"] == pytest.approx(stated["AUPRO"], abs=0.06)


def test_what_it_draws_is_no_odder_than_good_pieces(flow):
    labels = torch.arange(9) % len(MATERIALS)
    with seeded(0, torch.device("cpu")):
        drawn = draw(flow, labels)
    good = textures(9, seed=5).x
    scores = [image_scores(heat_maps(by_denoising(expectation(flow), TIMES), x, smooth=5), 0.01) for x in (drawn, good)]
    assert drawn.shape == (9, 1, 64, 64)
    for k in range(len(MATERIALS)):
        assert scores[0][labels == k].mean() < 2 * scores[1][labels == k].mean()


def test_a_smear_on_metal_is_missed(flow):
    """Where the piece is too smooth, the expectation is met too well: surprise by squared error sees only too much."""
    pieces = textures(144, seed=4, split="test")
    metal = pieces[pieces.materials == MATERIALS.index("brushed metal")]
    scorer, clean = by_denoising(expectation(flow), TIMES), textures(36, seed=6)
    heat = heat_maps(scorer, metal.x, smooth=5)
    either = either_way(scorer, clean.x[clean.materials == MATERIALS.index("brushed metal")])(metal.x)
    of = lambda maps, chosen: auroc(maps[chosen].flatten(), metal.masks[chosen].flatten())
    hole, smear = (metal.defects == DEFECTS.index(defect) for defect in ("hole", "smear"))
    assert of(heat, hole) > 0.9
    assert of(heat, smear) < 0.6
    assert of(either, hole) > 0.9
    assert of(either, smear) > of(heat, smear) + 0.2, "unless too calm is odd as well"
