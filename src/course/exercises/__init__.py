"""Exercises: the bank of right answers and mistakes, the grader that names a mistake, the notebooks.

Importing this package does not import torch, so that the command line and the pytest plugin start at once.
"""

from course.exercises.check import NotDone, Wrong, check
from course.grading.exercise import Exercise, Mistake

__all__ = ["Exercise", "Mistake", "NotDone", "Wrong", "check"]
