"""What an author must not forget in a solution notebook."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from course.exercises.generate import REGION
from course.exercises.notebooks import CHECK, Section, sections, source, tags
from course.grading.exercise import Exercise


def faults(
    solutions: dict, chapter: str, bank: Iterable[Exercise] | None = None
) -> list[str]:
    """What is missing or wrong in a solution notebook, one sentence each.

    Args:
        solutions: The notebook.
        chapter: Its chapter.
        bank: The chapter's exercises; None leaves out the comparison with the bank.
    """
    found = []
    ids = Counter(cell.get("id") for cell in solutions["cells"])
    twice = [name for name, count in ids.items() if count > 1]
    found += [f"{chapter}: the cell id {name!r} occurs more than once." for name in twice]
    if None in ids:
        found.append(f"{chapter}: a cell has no id.")
    parts = sections(solutions)
    numbers = [part.number for part in parts if part.number]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        found.append(
            f"{chapter}: exercises must be numbered 1, 2, 3, ..., but the headings say {numbers}."
        )
    for part in parts:
        if part.number:
            found += [
                f"{chapter}, exercise {part.number}: {fault}"
                for fault in _section_faults(part, chapter)
            ]
        elif part.blank_cells or part.check_cells:
            found.append(
                f"{chapter}: a blank or a check cell stands outside the exercises."
            )
    if bank is not None:
        found += _bank_faults(
            {exercise.number: exercise for exercise in bank}, numbers, chapter
        )
    return found


def _section_faults(part: Section, chapter: str) -> list[str]:
    found = []
    if not part.hints:
        found.append("it has no hint.")
    if not any("worked" in tags(cell) for cell in part.cells):
        found.append("it has no worked answer (a Markdown cell tagged `worked`).")
    if not part.blank_cells:
        found.append("it has no blank (a code cell tagged `solution`).")
    if len(part.check_cells) != 1:
        found.append(f"it has {len(part.check_cells)} check cells instead of one.")
    for cell in part.check_cells:
        found += _check_cell_faults(source(cell), part.number, chapter)
        if "nbval-check-output" not in tags(cell):
            found.append("its check cell is not tagged `nbval-check-output`.")
    for cell in part.cells:
        has_region = cell["cell_type"] == "code" and bool(REGION.search(source(cell)))
        if has_region != ("solution" in tags(cell)):
            found.append(
                f"cell {cell.get('id')!r} has a region without the tag `solution`, or the reverse."
            )
    return found


def _check_cell_faults(code: str, number: int, chapter: str) -> list[str]:
    call = CHECK.search(code)
    if not call or (call[1], int(call[2])) != (chapter, number):
        return [f'its check cell does not call check("{chapter}", {number}, name).']
    found = []
    if not isinstance(ast.parse(call[3], mode="eval").body, ast.Name):
        found.append(
            f"its check cell checks `{call[3]}`; give the answer a name and check the name."
        )
    if "from course.exercises import check" not in code:
        found.append("its check cell does not import `check` itself.")
    return found


def _bank_faults(bank: dict[int, Exercise], numbers: list[int], chapter: str) -> list[str]:
    found = [
        f"{chapter}: exercise {number} is not in the bank."
        for number in numbers
        if number not in bank
    ]
    found += [
        f"{chapter}: exercise {number} is only in the bank."
        for number in bank
        if number not in numbers
    ]
    for number, exercise in bank.items():
        if not exercise.mistakes:
            found.append(f"{chapter}: exercise {number} knows no mistake.")
        found += [
            f"{chapter}: exercise {number} needs {n}."
            for n in exercise.needs
            if n >= number
        ]
    return found
