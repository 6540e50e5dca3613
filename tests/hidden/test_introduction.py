"""Hidden points of the exercise of 00_introduction: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from `GRADE_SEED`,
so no value can be written down beforehand. The answer is whole numbers, so they must be equal; inputs keep a tenth of
a level away from where two roundings could differ, so that no right answer fails for its last digit.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def levels(rng: torch.Generator, low: int, high: int, *shape: int) -> tuple[Tensor, Tensor]:
    """Whole numbers, and images in [-1, 1] that lie up to 0.4 of a level beside them."""
    whole = torch.randint(low, high + 1, shape, generator=rng, device="cpu")
    beside = 0.8 * torch.rand(shape, generator=rng, device="cpu") - 0.4
    return whole, (whole + beside) / 127.5 - 1


@task("to_uint8")
def test_to_uint8(student, rng):
    """Random images of several shapes."""
    for shape in ((4, 4, 4, 4), (2, 1, 5, 3), (7,), ()):
        whole, x = levels(rng, 0, 255, *shape)
        got = student.to_uint8(x)
        expect(got, whole.to(torch.uint8))
        require(got.dtype == torch.uint8, f"the dtype is {got.dtype}: a file holds torch.uint8")


@task("to_uint8")
def test_to_uint8_overshot(student, rng):
    """Images that overshoot by far."""
    whole, x = levels(rng, -700, 900, 3, 3, 3, 3)
    want = whole.clamp(0, 255).to(torch.uint8)
    ran_over = whole.remainder(256).to(torch.uint8)
    expect(student.to_uint8(x), want, {"numbers ran over: clamp before the conversion": ran_over})


@task("to_uint8")
def test_to_uint8_half(student, rng):
    """Images in bfloat16, as a GPU gives them: the arithmetic is to be done in float32."""
    x = levels(rng, 0, 255, 8, 8)[1].bfloat16()
    exact = (x.double() + 1) * 127.5
    near_half = (exact - exact.floor() - 0.5).abs() < 0.1
    x, want = x.where(~near_half, -1.0), exact.round().where(~near_half, 0.0).to(torch.uint8)
    in_bfloat16 = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    hint = "computed in bfloat16, which has no room for 256 levels about 1: begin with x.float()"
    expect(student.to_uint8(x), want, {} if torch.equal(in_bfloat16, want) else {hint: in_bfloat16})


@task("to_uint8")
def test_to_uint8_leaves_images_alone(student, rng):
    """The images that were given are the same afterwards."""
    _, x = levels(rng, -50, 300, 4, 4)
    before = x.clone()
    student.to_uint8(x)
    hint = "your function changed the images that it was given: leave out operations in place, such as clamp_"
    require(torch.equal(x, before), hint)
