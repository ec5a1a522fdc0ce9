"""A learner's folder, with two small chapters to work on."""

from __future__ import annotations

import pytest

from course.exercises import notebooks

HINTS = "\n\n".join(
    f'<details class="hint"><summary>Hint {i}</summary>\n\nThink {i}.\n\n</details>' for i in (1, 2)
)


def cell(kind, name, source, *tags):
    """One cell of a notebook."""
    made = {"cell_type": kind, "id": name, "metadata": {"tags": list(tags)}, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Two chapters of two exercises each, without a bank: nothing here runs a notebook."""
    for chapter in ("masks", "softmax"):
        cells = []
        for n in (1, 2):
            cells += [
                cell("markdown", f"heading-{n}", f"## Exercise {n} {'★' * n} Task {n}\n\n{HINTS}"),
                cell("code", f"blank-{n}", "answer = ...", "blank"),
                cell("code", f"check-{n}", f'check("{chapter}", {n}, answer)', "check"),
            ]
        made = {
            "cells": cells,
            "metadata": {"course": {"exercises": chapter}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = tmp_path / "set" / "exercises" / f"{chapter}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebooks.text(made), encoding="utf-8")
    monkeypatch.setenv("COURSE_NOTEBOOKS", str(tmp_path / "set"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("course.commands.main.trust", lambda path: None)
    return tmp_path
