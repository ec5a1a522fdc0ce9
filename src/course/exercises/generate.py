"""Exercise notebooks out of solution notebooks, and what an author must not forget."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from course.exercises.notebooks import (
    CHECK,
    Problem,
    Section,
    chapters,
    read,
    root,
    sections,
    source,
    tags,
    text,
)
from course.grading.exercise import Exercise

REGION = re.compile(
    r"^(?P<indent>[ \t]*)# solution(?:: *(?P<task>.+?))?[ \t]*\n(?P<body>.*?)^[ \t]*# end solution[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
STUB = "# stub|"
DROPPED = {"worked", "solutions-only"}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def generate(solutions: dict, chapter: str) -> dict:
    """The notebook that a learner gets, made from the solutions.

    * Cells tagged `worked` or `solutions-only` are left out; raw cells tagged `exercises-only` turn into
      Markdown.
    * In cells tagged `solution`, the lines from ``# solution`` to ``# end solution`` become a stub: the lines
      that follow ``# stub|`` at the start of the region, or else a NotImplementedError that names the
      exercise (and the task, if the region starts with ``# solution: task``). The tag becomes `blank`.
    * Outputs are cleared; in the title, "Solutions" becomes "Exercises". Cell ids stay.
    """
    cells, number = [], 0
    for part in sections(solutions):
        number = part.number
        cells += [
            _exercise_cell(cell, number)
            for cell in part.cells
            if not DROPPED & set(tags(cell))
        ]
    title = next((cell for cell in cells if cell["cell_type"] == "markdown"), None)
    if title:
        title["source"] = _lines(
            re.sub(r"(?m)^(# .*)\bSolutions\b", r"\1Exercises", source(title), count=1)
        )
    return {
        "cells": cells,
        "metadata": {
            "course": {"exercises": chapter},
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def stale() -> list[str]:
    """Names of exercise notebooks that differ from what their solutions give, or have no solutions."""
    wanted = {path.stem for path in _solutions()}
    old = [chapter for chapter in wanted if not _is_fresh(chapter)]
    return sorted(old + [chapter for chapter in chapters() if chapter not in wanted])


def write(chapter: str) -> bool:
    """Write the exercises of a chapter; say whether the file changed.

    Raises:
        Problem: The solutions break a rule of :func:`faults`.
    """
    found = faults(read(_solution(chapter)), chapter)
    if found:
        raise Problem("\n".join(found))
    if _is_fresh(chapter):
        return False
    target = _target(chapter)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_wanted(chapter), encoding="utf-8")
    return True


def solution_chapters() -> list[str]:
    """Names of the chapters that have solutions."""
    return [path.stem for path in _solutions()]


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


def _solution(chapter: str) -> Path:
    return root() / "solutions" / f"{chapter}.ipynb"


def _target(chapter: str) -> Path:
    return root() / "exercises" / f"{chapter}.ipynb"


def _solutions() -> list[Path]:
    return sorted((root() / "solutions").glob("*.ipynb"))


def _wanted(chapter: str) -> str:
    return text(generate(read(_solution(chapter)), chapter))


def _is_fresh(chapter: str) -> bool:
    target = _target(chapter)
    return target.exists() and target.read_text(encoding="utf-8") == _wanted(chapter)


def _exercise_cell(cell: dict, number: int) -> dict:
    kept = [tag for tag in tags(cell) if tag not in ("solution", "exercises-only")]
    made = {
        "cell_type": cell["cell_type"],
        "id": cell["id"],
        "metadata": {},
        "source": _lines(source(cell)),
    }
    if "exercises-only" in tags(cell):
        made["cell_type"] = "markdown"
    if cell["cell_type"] == "code":
        made |= {"execution_count": None, "outputs": []}
    if "solution" in tags(cell):
        made["source"] = _lines(
            REGION.sub(lambda region: _stub(region, number), source(cell))
        )
        kept.append("blank")
    if kept:
        made["metadata"]["tags"] = kept
    return made


def _stub(region: re.Match, number: int) -> str:
    indent = region["indent"]
    stub = []
    for line in region["body"].splitlines():
        if not line.strip().startswith(STUB):
            break
        stub.append(indent + line.strip().removeprefix(STUB).removeprefix(" "))
    if stub:
        return "\n".join(line.rstrip() for line in stub)
    task = (region["task"] or "not done yet").replace("\\", "\\\\").replace('"', '\\"')
    return f'{indent}raise NotImplementedError("Exercise {number}: {task}")'


def _lines(content: str) -> list[str]:
    return content.splitlines(keepends=True)


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
