"""Run by plain pytest, the exercises' tests take the reference solution as their student.

Elsewhere the runner gives the fixtures and says whose functions are tested (course_lib/grading/points.py).
"""

import pytest
import targets

from course_lib.grading.points import generator
from course_lib.grading.student import Student


@pytest.fixture
def student(request):
    """The reference solution of the module that the test's file is named after."""
    student = Student(targets.solution(request.path.stem.split("_")[1]))
    with student.examined(in_place=request.node.get_closest_marker("in_place") is not None):
        yield student


@pytest.fixture
def rng(request):
    """Random numbers seeded by `GRADE_SEED` and the test's name."""
    return generator(request.node.name)
