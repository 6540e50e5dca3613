"""Run by plain pytest, the exercises' tests take the reference solution as their student.

Elsewhere the runner gives the fixtures and says whose functions are tested (course_lib/grading/points.py).
"""

import pytest
import targets

from course_lib.grading.points import Student, generator


@pytest.fixture
def student(request):
    """The reference solution of the module that the test's file is named after."""
    return Student(targets.solution(request.path.stem.split("_")[1]))


@pytest.fixture
def rng(request):
    """Random numbers seeded by `GRADE_SEED` and the test's name."""
    return generator(request.node.name)
