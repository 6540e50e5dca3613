"""Exercises: how they are released (`release`), checked (`check`) and compared (`expect`).

A learner needs one line of this: `from course_lib.grading.check import check`.
"""
