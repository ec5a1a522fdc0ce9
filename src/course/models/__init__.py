"""Models, each built from the rooms below it."""

from course.models.recall import Recall

__all__ = ["Recall"]
