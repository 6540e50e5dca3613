# %% [markdown]
# # Exercises: introduction
#
# One task, to learn how all the others work; it takes five minutes.
#
# - Each task is a function with its arguments, their shapes and what it returns. Replace the line that raises
#   `NotImplementedError` by your own; most answers are one to five lines.
# - The cell below a task **checks** it, at once and as often as you like. If an answer is wrong in a way that others have
#   been wrong before, it names the misconception.
# - Pictures after a task are made with what you wrote. Until it is written they show an error, and the notebook goes on.
# - An instructor runs **hidden** tests as well: the same demands on other inputs, drawn anew from a secret seed. So write
#   what the text asks for, not what the check happens to try.
# - Every task says how hard it is, how much it matters for what follows, and how long it takes.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import torch
from torch import Tensor

# %% [markdown]
# ## 1 · From numbers to a picture
#
# All models of this course work with floats in $[-1, 1]$: symmetric, of about the size of the noise that is added or fed in.
# Files, screens and eyes take whole numbers from 0 to 255. Every image that you will ever look at or measure passes this
# door, and it is where distances between sets of images are spoiled most often: `notebooks/00_introduction` shows by how
# much.
#
# Map $-1$ to 0 and $1$ to 255, in a straight line, and take the *nearest* whole number. A model may overshoot: what is
# darker than black is black, what is brighter than white is white. Do all of it in float32, whatever the images come in.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | any | images, float, in about $[-1, 1]$, perhaps beyond |
# | **returns** | the same | uint8, 0 to 255 |
#
# <details><summary>Hint</summary>
#
# A conversion to `torch.uint8` cuts off what stands behind the point, and counts on from 0 after 255. So three things must
# happen before it, and the conversion comes last.
# </details>


# %% tags=["task"] task="to_uint8" difficulty=1 importance=5 minutes=5
def to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1] as the pixels of a file."""
    ### BEGIN SOLUTION
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    ### END SOLUTION


# %% tags=["check"]
check("to_uint8")

# %% [markdown]
# Photographs, pushed through your door: as they are, with twice the contrast, and brighter than white. If a shirt turns
# black where it should be brightest, the numbers ran over.

# %% tags=["skip-grading"]
from course_lib.data.fashion import fashion
from course_lib.plotting import grid

shirts = fashion("test").x[:8]
grid(
    torch.cat([to_uint8(shirts), to_uint8(2 * shirts), to_uint8(shirts + 1.2)]),
    columns=8,
    row_titles=["as they are", "2 x", "x + 1.2"],
    alt="Eight clothes in three rows: as photographed, with twice the contrast, and far too bright",
)

# %% [markdown]
# That is all. The other notebooks have between seven and twelve tasks each, and together they are a small library of
# generative models.
