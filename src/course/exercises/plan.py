"""Which cells of a learner's notebook run for which exercise, and in which order.

Only what a learner wrote comes from the learner's notebook. The order, the check cells and what else was
given come from the reference, so that nothing is lost or won by moving, deleting, tagging or editing them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from course.exercises.notebooks import sections, source, tags


@dataclass
class Part:
    """What runs for one exercise.

    Attributes:
        number: The exercise; 0 for what stands between exercises.
        stars: How hard it is.
        title: Its title.
        steps: Sources of the cells to run, in order.
        check: Source of the check cell, which runs last.
        untouched: Whether the learner has written nothing for it.
        missing: Whether its blank is gone.
    """

    number: int
    stars: int
    title: str
    steps: list[str] = field(default_factory=list)
    check: str = ""
    untouched: bool = True
    missing: bool = False


def plan(learner: dict, reference: dict) -> list[Part]:
    """The parts of `reference` in its order, filled with the cells of `learner`.

    A cell belongs to the reference cell with its id, or failing that with its source. Cells that a learner
    added run after the reference cell that they follow. Given cells that are gone are put back.
    """
    given = reference["cells"]
    matches = matched(learner["cells"], given)
    copies: dict[int, list[str]] = {}
    added: dict[int, list[str]] = {}
    anchor = 0
    for cell, match in zip(learner["cells"], matches, strict=True):
        if match is not None:
            anchor = match
            copies.setdefault(match, []).append(source(cell))
        elif cell["cell_type"] == "code" and source(cell).strip():
            added.setdefault(anchor, []).append(source(cell))
    parts, index = [], 0
    for section in sections(reference):
        part = Part(section.number, section.stars, section.title)
        for cell in section.cells:
            _add(part, cell, copies.get(index, []), added.get(index, []))
            index += 1
        parts.append(part)
    return parts


def matched(cells: list[dict], given: list[dict]) -> list[int | None]:
    """For each of `cells` the index of the given cell that it is, or None for a new one."""
    by_id = {cell["id"]: index for index, cell in enumerate(given)}
    matches: list[int | None] = []
    for cell in cells:
        index = by_id.get(cell.get("id")) if isinstance(cell.get("id"), str) else None
        same_type = index is not None and given[index]["cell_type"] == cell["cell_type"]
        matches.append(index if same_type else None)
    found = set(matches)
    for position, cell in enumerate(cells):
        if matches[position] is not None:
            continue
        for index, candidate in enumerate(given):
            same = candidate["cell_type"] == cell["cell_type"] and source(
                candidate
            ) == source(cell)
            if same and index not in found:
                matches[position] = index
                found.add(index)
                break
    return matches


def _add(part: Part, cell: dict, copies: list[str], added: list[str]) -> None:
    """Add a reference cell to its part, with the learner's copies of it and what was added after it."""
    own = [copy for copy in copies if copy != source(cell)]
    if cell["cell_type"] == "code":
        if "check" in tags(cell):
            # Some write their answer into the check cell: it counts, but it is not the check.
            part.check = source(cell)
            part.steps += own
        elif copies:
            part.steps += copies
        elif "blank" in tags(cell):
            part.missing = True
        else:
            part.steps.append(source(cell))
        part.untouched = part.untouched and not own
    part.steps += added
    part.untouched = part.untouched and not added
