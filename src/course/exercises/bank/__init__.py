"""The bank: one module per chapter, whose `EXERCISES` holds right answers and known mistakes."""

from __future__ import annotations

import importlib
import pkgutil

from course.exercises.exercise import Exercise
from course.exercises.notebooks import root

# A set of exercises outside the package (COURSE_NOTEBOOKS) brings its bank along.
__path__.insert(0, str(root() / "bank"))


def chapters() -> list[str]:
    """Names of the chapters in the bank, in alphabetical order."""
    return sorted({module.name for module in pkgutil.iter_modules(__path__)})


def load(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter.

    Raises:
        LookupError: The bank has no such chapter.
    """
    if chapter not in chapters():
        raise LookupError(
            f"No exercises are known for chapter {chapter!r}. Chapters: {', '.join(chapters())}."
        )
    return importlib.import_module(f"{__name__}.{chapter}").EXERCISES


def find(chapter: str, number: int) -> Exercise:
    """One exercise of a chapter.

    Raises:
        LookupError: The bank has no such chapter, or the chapter has no such exercise.
    """
    exercises = {exercise.number: exercise for exercise in load(chapter)}
    if number not in exercises:
        raise LookupError(f"Chapter {chapter!r} has no exercise {number}; it has {sorted(exercises)}.")
    return exercises[number]
