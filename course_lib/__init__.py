"""Generative Models in Computer Vision: the library behind the notebooks.

Read it as the notebooks do: `course_lib.diffusion.schedules` first, then up the floors.
"""

from course_lib.device import pick, setup

__all__ = ["pick", "setup"]
__version__ = "0.1.0"
