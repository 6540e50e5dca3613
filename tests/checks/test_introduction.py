"""What `check("to_uint8")` runs for the exercise of 00_introduction, on numbers that can be worked out by hand.

Each test is one point; its docstring is what the learner reads. `student` is whoever is tested.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task
RAN_OVER = "numbers ran over: after 255 uint8 goes on with 0. Clamp before the conversion"


def pixels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8)


@task("to_uint8")
def test_to_uint8_ends(student):
    """Black is 0, white is 255, and both come out as uint8."""
    wrong = {
        "these are floats: a file holds whole numbers, torch.uint8": torch.tensor([0.0, 255.0]),
        "this is for images in [0, 1], and numbers ran over: here black is -1": pixels(1, 255),
        "white must become the largest number, 255: multiply by 127.5": pixels(0, 254),
        "white ran over: 256 does not fit into uint8. From 0 to 255 there are 255 steps, not 256": pixels(0, 0),
    }
    got = student.to_uint8(torch.tensor([-1.0, 1.0]))
    expect(got, pixels(0, 255), wrong)
    require(got.dtype == torch.uint8, f"whole numbers, but as {got.dtype}: a file holds torch.uint8, a byte each")


@task("to_uint8")
def test_to_uint8_nearest(student):
    """What lies between two whole numbers goes to the nearest."""
    x = torch.tensor([10.2, 10.8, 200.4, 200.6]) / 127.5 - 1
    wrong = {
        "the numbers are cut off, not rounded: every image becomes half a level darker": pixels(10, 10, 200, 200),
        "always upwards: take the nearest": pixels(11, 11, 201, 201),
        "this is for images in [0, 1]: here black is -1": pixels(0, 0, 146, 146),
        "the darker half is lost: add 1 before you multiply": pixels(0, 0, 73, 73),
        "stretched by 256: from 0 to 255 there are 255 steps": pixels(10, 11, 201, 201),
        "rounded before the stretch: only black, grey and white are left": pixels(0, 0, 255, 255),
    }
    expect(student.to_uint8(x), pixels(10, 11, 200, 201), wrong)


@task("to_uint8")
def test_to_uint8_beyond(student):
    """Darker than black is black, brighter than white is white."""
    wrong = {
        RAN_OVER: pixels(192, 126, 128),
        f"{RAN_OVER}, and round": pixels(193, 126, 128),
        "the image was stretched to its own darkest and brightest: that changes every other pixel": pixels(0, 255, 110),
    }
    expect(student.to_uint8(torch.tensor([-1.5, 2.0, 0.004])), pixels(0, 255, 128), wrong)
