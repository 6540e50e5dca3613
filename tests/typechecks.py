"""The run-time type checker that pytest puts around every annotated function of course_lib (see conftest.py)."""

from beartype import beartype
from beartype.roar import BeartypeDecorHintPep673Exception


def checked(function):
    """beartype, which cannot read `Self` on a method by itself: such a method stays unchecked."""
    try:
        return beartype(function)
    except BeartypeDecorHintPep673Exception:
        return function
