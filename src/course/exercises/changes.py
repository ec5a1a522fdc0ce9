"""Which exercises have changed since a learner started them: the book goes on, a copy stays as it was."""

from __future__ import annotations

from collections.abc import Collection

from course.exercises.notebooks import Section, sections, source, tags
from course.exercises.originals import frames, original
from course.exercises.plan import matched


def changed(learner: dict, chapter: str, right: Collection[int]) -> list[int]:
    """Numbers of the exercises whose given lines a learner's notebook does not hold, in their order.

    What a learner adds or moves is no change, nor are outputs, metadata, and spaces at the ends of lines.
    Where the answer is right, cells that are gone and the code around the blank do not count either: many
    write a cell anew.

    Args:
        learner: The notebook.
        chapter: Its chapter.
        right: Exercises whose answer is right.
    """
    today, around = original(chapter), frames(chapter)
    copies: dict[str, list[list[str]]] = {}
    for cell, index in zip(
        learner["cells"], matched(learner["cells"], today["cells"]), strict=True
    ):
        if index is not None:
            copies.setdefault(today["cells"][index]["id"], []).append(_lines(source(cell)))
    parts = [part for part in sections(today) if part.number]
    return [
        part.number
        for part in parts
        if _changed(part, copies, around, part.number in right)
    ]


def _changed(
    part: Section, copies: dict[str, list[list[str]]], around: dict[str, str], right: bool
) -> bool:
    # An exercise that is not there at all is told of as one whose blank is gone.
    if not any(cell["id"] in copies for cell in part.cells):
        return False
    for cell in part.cells:
        blank, found = "blank" in tags(cell), copies.get(cell["id"], [])
        if (right or blank) and not found:
            continue
        if blank and (right or cell["id"] not in around):
            continue
        given = _lines(around[cell["id"]] if blank else source(cell))
        if not any(_holds(copy, given) for copy in found):
            return True
    return False


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _holds(lines: list[str], given: list[str]) -> bool:
    """Whether the given lines are among these, in order."""
    rest = iter(lines)
    return all(line in rest for line in given)
