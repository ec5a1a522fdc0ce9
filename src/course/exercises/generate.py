"""Exercise notebooks out of solution notebooks."""

from __future__ import annotations

import re

from course.exercises.notebooks import sections, source, tags

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


def frame(code: str) -> str:
    """The lines of a solution that are given: those around its regions."""
    return REGION.sub("", code)


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
