"""Exercises are made from solutions, always the same bytes."""

from __future__ import annotations

import ast

from course.exercises import generate, notebooks


def test_solutions_become_stubs(kit):
    made = kit.filled()
    assert kit.find(made, "blank-1")["source"] == [
        "def scores(q, k):\n",
        "    d = q.shape[-1]\n",
        '    raise NotImplementedError("Exercise 1: divide by the right number")',
    ]
    assert notebooks.source(kit.find(made, "blank-2")) == (
        "def centred(x):\n    return x - x.mean(0, keepdim=True)"
    )
    assert notebooks.source(kit.find(made, "blank-3")) == "answer = ..."
    assert 'NotImplementedError("Exercise 4: not done yet")' in notebooks.source(kit.find(made, "blank-4"))


def test_stubs_are_python(kit):
    for cell in kit.filled()["cells"]:
        if cell["cell_type"] == "code":
            ast.parse(notebooks.source(cell))


def test_a_task_with_quotes_stays_a_string():
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["solution"]}, "outputs": []}
    cell["source"] = '# solution: say "a\\b"\nx = 1\n# end solution\ny = 2'
    made = generate.generate({"cells": [cell]}, "c")["cells"][0]
    statement = ast.parse(notebooks.source(made)).body[0]
    assert statement.exc.args[0].value == 'Exercise 0: say "a\\b"'
    assert notebooks.source(made).endswith("\ny = 2")


def test_what_belongs_to_the_solutions_is_left_out(kit):
    made = kit.filled()
    ids = [cell["id"] for cell in made["cells"]]
    wanted = [
        cell["id"] for cell in kit.solutions()["cells"] if not cell["id"].startswith(("worked", "spoiler"))
    ]
    assert ids == wanted
    assert notebooks.source(made["cells"][0]) == "# Exercises: a tiny chapter"
    assert kit.find(made, "welcome")["cell_type"] == "markdown"
    assert all(not cell["outputs"] for cell in made["cells"] if cell["cell_type"] == "code")
    assert made["metadata"]["course"] == {"exercises": "tiny"}
    assert notebooks.tags(kit.find(made, "blank-1")) == ["blank"]
    assert notebooks.tags(kit.find(made, "check-1")) == ["check", "nbval-check-output"]


def test_outputs_and_counts_of_the_solutions_do_not_change_the_bytes(kit):
    solutions = kit.solutions()
    before = notebooks.text(generate.generate(solutions, "tiny"))
    for cell in solutions["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": kit.printed("other"), "execution_count": 99}
    assert notebooks.text(generate.generate(solutions, "tiny")) == before


def test_a_source_of_lines_gives_the_same_as_a_source_of_one_string(kit):
    solutions = kit.solutions()
    before = notebooks.text(generate.generate(solutions, "tiny"))
    for cell in solutions["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert notebooks.text(generate.generate(solutions, "tiny")) == before
