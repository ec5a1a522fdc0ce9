"""The bank: a module per chapter, whose `EXERCISES` holds right answers and known mistakes."""

from __future__ import annotations

import importlib
import os
import pkgutil

from course.grading.exercise import Exercise

# A set of exercises outside the package brings its bank along.
if outside := os.environ.get("COURSE_NOTEBOOKS"):
    __path__.insert(0, os.path.join(outside, "bank"))


def chapters() -> list[str]:
    """Names of the chapters in the bank, in alphabetical order."""
    return sorted(_modules())


def load(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter.

    Raises:
        LookupError: The bank has no such chapter.
    """
    modules = _modules()
    if chapter not in modules:
        raise LookupError(
            f"No exercises are known for chapter {chapter!r}. Chapters: {', '.join(sorted(modules))}."
        )
    return importlib.import_module(modules[chapter]).EXERCISES


def find(chapter: str, number: int) -> Exercise:
    """One exercise of a chapter.

    Raises:
        LookupError: The bank has no such chapter, or the chapter has no such exercise.
    """
    exercises = {exercise.number: exercise for exercise in load(chapter)}
    if number not in exercises:
        raise LookupError(f"Chapter {chapter!r} has no exercise {number}; it has {sorted(exercises)}.")
    return exercises[number]


def _modules() -> dict[str, str]:
    """The module of each chapter, whichever part it stands in."""
    found = pkgutil.walk_packages(__path__, f"{__name__}.")
    return {name.rpartition(".")[2]: name for _, name, is_part in found if not is_part}
