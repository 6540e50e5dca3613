"""The judge of faces: it reads what was drawn, also where that was drawn badly, and sees what is missing."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

from course_lib.checkpoints import info
from course_lib.data import load
from course_lib.data.faces import changed, coarse, faces, group_of, groups, names
from course_lib.data.images import Batch
from course_lib.features import AttributeNet, faces_attributes, faces_reference, faces_score, read_faces
from course_lib.features import faces as judge
from course_lib.metrics import embed, frechet_distance
from course_lib.recipes.faces_attributes import BLUR, NOISE, roughened

READ = [name for name in names() if len(groups(name)) > 1]
N = 600


@pytest.fixture(scope="module")
def real():
    return faces(N, seed=99)


def right(x: torch.Tensor, data, name: str) -> float:
    return (read_faces(x)[name] == coarse(data, name).labels).float().mean().item()


@pytest.mark.parametrize("name", ["hair", "hat", "glasses", "mouth", "skin"])
def test_it_reads_what_was_drawn(name):
    test = load("faces", "test")
    assert right(test.x, test, name) == pytest.approx(info("faces_attributes")["metrics"][name], abs=0.002)
    assert right(test.x, test, name) > 0.97


def test_every_attribute_with_a_choice_is_read(real):
    read = read_faces(real.x[:5])
    assert list(read) == READ
    assert len(READ) == 13
    for name, group in read.items():
        assert group.shape == (5,)
        assert group.dtype == torch.int64
        assert group.max() < len(groups(name))


def test_it_follows_a_change(real):
    for name, value in (("hat", "hat 05"), ("glasses", "none"), ("mouth", "sad 03"), ("skin", "skin-4")):
        group = group_of(name)[names()[name].index(value)]
        assert (read_faces(changed(real, name, value).x)[name] == group).float().mean() > 0.97


def test_it_reads_faces_that_are_slightly_off(real):
    rough = 0.7 * real.x + 0.3 * mean3(real.x) + 0.1 * torch.randn(real.x.shape)
    for name in ("hair", "hat", "skin"):
        assert right(rough, real, name) > 0.9


def mean3(x: torch.Tensor) -> torch.Tensor:
    return avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def test_its_unit_is_a_total_variance_of_twenty():
    assert float(faces_reference().cov.trace()) == pytest.approx(20, abs=0.2)
    assert faces_reference().n == 50_000


def test_distances_rank_what_is_wrong(real):
    collapsed = real.x[:1] + 0.01 * torch.randn(N, 3, 16, 16)
    sets = {"real": real.x, "no hats": changed(real, "hat", "none").x, "blurred": mean3(real.x), "one": collapsed}
    scores = {name: faces_score(images) for name, images in sets.items()}
    assert scores["real"].excess == pytest.approx(0, abs=0.05)
    assert scores["no hats"].distance > scores["real"].distance + 0.3
    assert scores["blurred"].distance > scores["no hats"].distance
    assert scores["one"].distance > scores["blurred"].distance
    assert scores["one"].recall < 0.05
    assert scores["real"].n == N


def test_the_training_set_is_at_the_floor():
    assert faces_score(load("faces").x).excess == pytest.approx(0, abs=0.01)


def test_a_missing_group_costs_what_the_module_says():
    data, net = faces(10_000, seed=98), faces_attributes()
    seen = embed(data.x, net)
    anchors = {("hat", 0): 1.05, ("hair", 0): 1.18, ("skin", 0): 0.315}
    for (name, group), stated in anchors.items():
        kept = seen[coarse(data, name).labels != group]
        assert frechet_distance(faces_reference(), kept) == pytest.approx(stated, abs=0.02)


def test_what_cannot_be_seen_is_not_asked():
    bare, net = changed(faces(8, seed=0), "hat", "none"), AttributeNet(width=8, dim=16)
    loss = net.loss(Batch(bare.x, bare.attributes))["loss"]
    recoloured = changed(bare, "hat colour", "pink")
    assert not torch.equal(bare.attributes, recoloured.attributes)
    torch.testing.assert_close(net.loss(Batch(bare.x, recoloured.attributes))["loss"], loss, atol=0, rtol=0)
    assert loss.isfinite()


def test_values_of_a_group_add_up():
    # "long" has two thirds of the probability, though the single most likely value is short
    member = group_of("hair")
    logits = torch.full((1, len(member)), -1e9)
    logits[0, (member == 0).nonzero()[:2, 0]] = 0.0
    logits[0, (member == 1).nonzero()[:1, 0]] = 0.01
    assert judge.grouped("hair", logits)[0].tolist() == pytest.approx([0.665, 0.335], abs=1e-3)


def test_half_of_the_training_faces_stay_clean():
    x = faces(400, seed=5).x
    rough = roughened(x, torch.Generator().manual_seed(0))
    clean = (rough == x).flatten(1).all(1).float().mean()
    assert float(clean) == pytest.approx(0.5, abs=0.1)  # four standard deviations
    worst = (rough - x).abs().amax()
    assert float(worst) < 2 * BLUR + 6 * NOISE


def test_reading_clips_what_a_viewer_would_not_see(real):
    over = torch.where(real.x >= 1, 1.5, real.x)
    assert all(torch.equal(a, b) for a, b in zip(read_faces(over).values(), read_faces(real.x).values()))


@pytest.mark.parametrize("n", [1, 128, 5001])
def test_too_few_and_too_many_images_are_refused(n):
    with pytest.raises(ValueError, match="can be scored"):
        faces_score(torch.zeros(n, 3, 16, 16))


def test_a_wrong_range_is_refused(real):
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        read_faces(real.x * 255)
    with pytest.raises(ValueError, match="uint8"):
        read_faces(real.pixels)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        faces_score((real.x + 1) / 2)


def test_other_sizes_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="avg_pool2d"):
        read_faces(faces(2, seed=0, size=32).x)


def test_another_net_than_the_pinned_one_is_refused(monkeypatch):
    monkeypatch.setattr(judge, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the feature net of this version"):
        faces_attributes.__wrapped__()


def test_a_judge_draws_nothing():
    with pytest.raises(ValueError, match="draws no faces"):
        AttributeNet(width=8, dim=16).sample(3)
