"""Augmentation: who saw which labels is known by content, and the guard cannot be talked round."""

from itertools import islice

import pytest
import torch

from course_lib.applications.augmentation import (
    Generator,
    LeakageError,
    accuracy,
    admitted,
    bank,
    few,
    fingerprints,
    jittered,
    mixed,
    moved,
    plain,
    synthesised,
    train_classifier,
    train_generator,
    witnessed,
)
from course_lib.data.fashion import fashion
from course_lib.data.folder import folder
from course_lib.data.images import Images
from course_lib.experiments import augmentation as experiment


@pytest.fixture(scope="module")
def source() -> Images:
    return fashion()


@pytest.fixture(scope="module")
def generator(source) -> Generator:
    return train_generator(few(source, 2, seed=0), steps=3, seed=0)


def test_few_labels_are_as_many_of_each_class_and_follow_the_seed(source):
    chosen = few(source, 5, seed=0)
    assert chosen.labels.bincount().tolist() == [5] * 10
    assert len(fingerprints(chosen)) == 50
    assert fingerprints(chosen) < fingerprints(source)
    assert torch.equal(few(source, 5, seed=0).pixels, chosen.pixels)
    assert fingerprints(few(source, 5, seed=1)) != fingerprints(chosen)
    assert chosen.labels.unique_consecutive().numel() > 20, "in random order"


def test_a_witness_sees_what_passes_and_no_more(source):
    few_images, seen = few(source, 2, seed=0), set()
    batches = witnessed(few_images.batches(8, seed=0), seen)
    first = next(batches)
    assert len(seen) == 8
    assert seen == fingerprints(Images(((first.x + 1) * 127.5).round().byte(), first.y))
    list(islice(batches, 20))
    assert seen == fingerprints(few_images)


def test_a_generator_of_the_same_labels_is_admitted(source, generator):
    labelled = few(source, 2, seed=0)
    assert admitted(generator, labelled) is generator
    assert generator.seen == fingerprints(labelled)
    more = Images(
        *(torch.cat([a, b]) for a, b in zip(_parts(labelled), _parts(few(source, 3, seed=1)))), source.classes
    )
    assert admitted(generator, more) is generator, "the classifier may have seen more"


def _parts(images: Images) -> tuple[torch.Tensor, torch.Tensor]:
    return images.pixels, images.labels


def test_renumbering_does_not_hide_and_does_not_hurt(source, generator):
    labelled = few(source, 2, seed=0)
    assert admitted(generator, labelled[torch.randperm(20)])


@pytest.mark.parametrize("other", ["other images", "one image less", "one other label", "one other pixel"])
def test_a_generator_that_saw_more_is_refused_with_the_number(source, generator, other):
    labelled = few(source, 2, seed=0)
    pixels, labels = labelled.pixels.clone(), labelled.labels.clone()
    labels[0] = (labels[0] + (other == "one other label")) % 10
    pixels[0, 0, 14, 14] ^= other == "one other pixel"
    kept = slice(1 if other == "one image less" else 0, None)
    labelled = few(source, 2, seed=9) if other == "other images" else Images(pixels, labels, source.classes)[kept]
    count = len(generator.seen - fingerprints(labelled))
    assert count >= 1
    with pytest.raises(
        LeakageError, match=rf"trained on {count} labelled images that are not among the {len(labelled)}"
    ):
        admitted(generator, labelled)


def test_the_shipped_flow_is_refused(source):
    with pytest.raises(ValueError, match="labelled images that are not among the 100 .* leakage"):
        admitted(Generator(lambda y: y, fingerprints(source)), few(source, 10, seed=0))


def test_a_generator_that_nobody_watched_is_refused(source):
    with pytest.raises(LeakageError, match="nobody watched"):
        admitted(Generator(lambda y: y, frozenset()), few(source, 2, seed=0))


def test_a_generators_images_follow_the_seed(generator, source):
    drawn = bank(generator, 25, source.classes, seed=0, part=10)
    assert drawn.pixels.shape == (25, 1, 28, 28)
    assert drawn.labels.tolist() == [i % 10 for i in range(25)]
    assert torch.equal(bank(generator, 25, source.classes, seed=0, part=10).pixels, drawn.pixels)
    assert not torch.equal(bank(generator, 25, source.classes, seed=1, part=10).pixels, drawn.pixels)


def test_shifts_and_mirrors():
    x = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5).float()
    no, yes = torch.zeros(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
    still = torch.zeros(2, 2, dtype=torch.int64)
    assert torch.equal(moved(x, still, no), x)
    assert torch.equal(moved(x, still, yes), x.flip(-1))
    down = moved(x, torch.tensor([[1, 0], [0, 0]]), no)
    assert torch.equal(down[0, :, 1:], x[0, :, :-1])
    assert torch.equal(down[0, :, 0], x[0, :, 0]), "the border is repeated"
    assert torch.equal(down[1], x[1])
    there = moved(x, torch.tensor([[0, 1], [-2, 2]]), no)
    back = moved(there, torch.tensor([[0, -1], [2, -2]]), no)
    assert torch.equal(back[0, :, :, 2:], x[0, :, :, 2:])
    assert torch.equal(back[1, :, :3, :3], x[1, :, :3, :3])
    assert torch.equal(moved(x, still, torch.tensor([True, False]))[1], x[1])


def test_batches_of_each_kind(source):
    labelled, synthetic = few(source[:2500], 20, seed=0), few(source[2500:], 20, seed=0)
    assert len(next(plain(labelled, 0)).y) == 64
    assert len(next(plain(few(source, 2, seed=0), 0)).y) == 20, "all there are"
    x, y = next(jittered(labelled, 0))
    calm = next(plain(labelled, 0))
    assert torch.equal(y, calm.y)
    assert (x != calm.x).flatten(1).any(1).float().mean() > 0.9
    assert torch.equal(x, next(jittered(labelled, 0)).x)
    x, y = next(mixed(labelled, synthetic, 0))
    real = [any(torch.equal(image, other) for other in labelled.x) for image in x]
    assert real == [True] * 32 + [False] * 32


def test_a_classifier_learns_what_can_be_learned():
    """Black against white: two classes that any classifier tells apart."""
    pixels = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
    pixels[20:] = 255
    images = Images(pixels, torch.arange(40) // 20, ("black", "white"))
    model = train_classifier(plain(images, 0), classes=2, channels=1, steps=15, seed=0)
    assert accuracy(model, images) == 1
    wrong = Images(images.pixels, 1 - images.labels, images.classes)
    assert accuracy(model, wrong) == 0


def test_your_own_folder_of_few_labels(tmp_path):
    """Subfolders are the classes: a generator of 24 images is trained, admitted, and its images teach a classifier."""
    from PIL import Image

    data = few(fashion()[:200], 3, seed=0)
    for i, (x, label) in enumerate(zip(data.pixels, data.labels)):
        (tmp_path / data.classes[label]).mkdir(exist_ok=True)
        Image.fromarray(x[0].numpy()).resize((40, 48)).save(tmp_path / data.classes[label] / f"{i}.png")
    labelled = folder(tmp_path, size=32, channels=1)
    assert len(labelled.classes) == 10
    drawn = synthesised(labelled, 20, steps=2)
    assert drawn.pixels.shape == (20, 1, 32, 32)
    assert drawn.classes == labelled.classes
    model = train_classifier(mixed(labelled, drawn, seed=0), 10, 1, steps=2, seed=0)
    assert 0 <= accuracy(model, labelled) <= 1


def test_the_experiment_compares_four_ways_on_the_same_labels(monkeypatch):
    monkeypatch.setattr(experiment, "STEPS", 2)
    monkeypatch.setattr(experiment, "GENERATOR_STEPS", 2)
    monkeypatch.setattr(experiment, "DRAWN", 20)
    source, test = experiment.small(fashion()[:500]), experiment.small(fashion("test")[:50])
    labelled, others = few(source, 2, seed=0), few(source, 2, seed=3)
    leaked = Generator(lambda y: others.x, fingerprints(source))
    judges = experiment.Judges(test, train_classifier(plain(source, 0), 10, 1, steps=2, seed=0))
    runs = list(experiment.compared(labelled, judges, leaked, others, seed=0))
    assert [run.name for run in runs] == [f"{way}, 2 labels" for way in ("none", "classical", "synthetic", "leaked")]
    assert [run.results.get("unlawful") for run in runs] == [None, None, 0, len(fingerprints(source)) - 20]
    assert all(0 <= run.results["accuracy"] <= 1 for run in runs)
    copies = experiment.looked_at(leaked, labelled, labelled, judges)
    assert copies["newness"] == pytest.approx(0, abs=1e-3)
    new = experiment.looked_at(leaked, test[:20], labelled, judges)
    assert new["newness"] == pytest.approx(1, abs=1e-6), "the test images themselves are as new as test images"


def test_small_images_are_means_of_four_pixels_in_a_black_frame():
    images = experiment.small(fashion("test")[:3])
    assert images.pixels.shape == (3, 1, 16, 16)
    whole = fashion("test")[:3].pixels.float()
    assert (images.pixels.float().mean((1, 2, 3)) * 256 - whole.sum((1, 2, 3)) / 4).abs().max() < 128
    assert not images.pixels[:, :, 0].any()


def test_doors(source):
    with pytest.raises(ValueError, match="1 to 500 images"):
        few(source, 501, seed=0)
    with pytest.raises(ValueError, match="shift must be int64"):
        moved(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3).long(), torch.zeros(2).bool())
    with pytest.raises(ValueError, match="mirrored must be bool"):
        moved(torch.zeros(2, 1, 4, 4), torch.zeros(2, 2).long(), torch.zeros(2))
