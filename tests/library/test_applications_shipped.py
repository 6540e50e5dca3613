"""The shipped translators do what the notebook shows, on pictures that they never saw."""

import torch

from course_lib.applications.measures import draws, lit_share
from course_lib.applications.superresolution import bicubic, inconsistency
from course_lib.checkpoints import pretrained
from course_lib.device import seeded
from course_lib.metrics import psnr
from course_lib.recipes import fashion_superresolution, night_flow, streets_cyclegan

CPU = torch.device("cpu")


def drawn(name: str, source: torch.Tensor, k: int) -> torch.Tensor:
    with seeded(0, CPU):
        return draws(pretrained(name), source, k)


def test_nights_are_dark_with_about_as_many_lights_as_there_are_and_no_two_alike():
    pairs = night_flow.places(24)
    nights = drawn("night_flow", pairs.y, 2)
    made, true = lit_share(nights[0]).mean(), lit_share(pairs.x).mean()
    assert 0.3 * true < made < 2 * true
    assert (nights[0] - nights[1]).square().mean() > 0.01


def test_streets_become_nights_though_no_pair_was_seen():
    pairs = streets_cyclegan.scenes(12)
    there, _ = streets_cyclegan.translations(pretrained("streets_cyclegan"))
    assert psnr(there(pairs.y), pairs.x).mean() > psnr(pairs.y, pairs.x).mean() + 8


def test_fine_pictures_are_nearer_than_bicubic_and_hardly_contradict_the_coarse_ones():
    pairs = fashion_superresolution.held_out(24)
    (fine,) = drawn("fashion_superresolution", pairs.y, 1)
    assert psnr(fine, pairs.x).mean() > psnr(bicubic(pairs.y), pairs.x).mean() + 1
    assert inconsistency(fine, pairs.y) < 6  # levels of 255
