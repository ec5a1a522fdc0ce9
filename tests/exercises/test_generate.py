"""Exercises are made from solutions, always the same bytes, and an author's slips are found."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from course.bank import load
from course.exercises import generate, notebooks

TOOL = Path(__file__).parents[2] / "tools" / "exercises.py"


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


def test_a_sound_notebook_has_no_faults(kit, tiny):
    assert generate.faults(kit.solutions(), "tiny", load("tiny")) == []


def drop(name):
    def change(notebook, find):
        notebook["cells"].remove(find(notebook, name))

    return change


def edit(name, **fields):
    def change(notebook, find):
        find(notebook, name).update(fields)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("worked-1"), "exercise 1: it has no worked answer"),
        (drop("check-2"), "exercise 2: it has 0 check cells instead of one."),
        (drop("blank-3"), "exercise 3: it has no blank"),
        (drop("heading-2"), "exercises must be numbered 1, 2, 3, ..., but the headings say [1, 3, 4]."),
        (edit("check-1", id="blank-1"), "the cell id 'blank-1' occurs more than once."),
        (edit("heading-1", source="## Exercise 1 ★ No hints"), "exercise 1: it has no hint."),
        (edit("check-1", source="check('tiny', 2, scores)"), 'does not call check("tiny", 1, name).'),
        (edit("check-1", source='check("tiny", 1, scores)'), "does not import `check` itself."),
        (edit("check-3", source='check("tiny", 3, 1 + 1)'), "give the answer a name"),
        (edit("check-1", metadata={"tags": ["check"]}), "not tagged `nbval-check-output`"),
        (
            edit("blank-1", source="x = 1"),
            "a region without the tag `solution`, or the reverse.",
        ),
        (edit("imports", metadata={"tags": ["check"]}), "a check cell stands outside the exercises."),
    ],
)
def test_faults_are_found(kit, change, said):
    notebook = kit.solutions()
    change(notebook, kit.find)
    assert any(said in fault for fault in generate.faults(notebook, "tiny")), generate.faults(
        notebook, "tiny"
    )


def test_the_bank_is_compared(kit, tiny):
    bank = load("tiny")
    assert generate.faults(kit.solutions(), "tiny", bank[1:]) == ["tiny: exercise 1 is not in the bank."]


def test_the_tool_writes_and_finds_what_is_stale(kit, tiny):
    def tool(*options):
        return subprocess.run([sys.executable, TOOL, *options], capture_output=True, text=True)

    target = tiny / "exercises" / "tiny.ipynb"
    first = target.read_bytes()
    assert tool("--check").returncode == 0
    target.write_text("{}", encoding="utf-8")
    stale = tool("--check")
    assert (stale.returncode, stale.stdout.count("\n")) == (1, 1)
    assert tool().stdout == "tiny: written\n"
    assert tool().stdout == "tiny: up to date\n"
    assert target.read_bytes() == first
    broken = kit.solutions()
    broken["cells"].remove(kit.find(broken, "worked-1"))
    (tiny / "solutions" / "tiny.ipynb").write_text(json.dumps(broken), encoding="utf-8")
    assert tool().returncode == 1


def test_an_exercise_notebook_without_solutions_is_stale(tiny):
    (tiny / "exercises" / "orphan.ipynb").write_text("{}", encoding="utf-8")
    assert generate.stale() == ["orphan"]


def test_the_notebooks_of_the_book_are_fresh():
    assert generate.stale() == []
