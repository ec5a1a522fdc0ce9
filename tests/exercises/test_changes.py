"""An exercise that has changed since it was started is found, and nothing else."""

from __future__ import annotations

import json

import pytest

from course.exercises import notebooks, originals
from course.exercises.changes import changed


def replace(name, old, new):
    """A change of today's solutions, from which the exercises are made."""

    def change(kit, solutions):
        cell = kit.find(solutions, name)
        assert old in cell["source"]
        cell["source"] = cell["source"].replace(old, new)

    return change


def add(kind, after, text):
    def change(kit, solutions):
        place = solutions["cells"].index(kit.find(solutions, after)) + 1
        solutions["cells"].insert(place, kit.cell(kind, "new", text))

    return change


def today(kit, tiny, *changes):
    """Change the chapter after the learner has started."""
    solutions = kit.solutions()
    for change in changes:
        change(kit, solutions)
    (tiny / "solutions" / "tiny.ipynb").write_text(json.dumps(solutions), encoding="utf-8")


CHANGES = {
    # change, exercises named while nothing is right, and while all is right
    "task": (replace("heading-2", "Do it.", "Do it well."), [2], [2]),
    "title": (replace("heading-3", "Predict", "Guess"), [3], [3]),
    "hint": (replace("heading-1", "Hint 1.2.", "Think."), [1], [1]),
    "check": (replace("check-4", "weights)", "weights_of)"), [4], [4]),
    "signature": (replace("blank-1", "(q, k)", "(q, k, scale)"), [1], []),
    "line around the blank": (replace("blank-1", "d = q.shape", "d = k.shape"), [1], []),
    "new text": (add("markdown", "heading-2", "Mind the axis."), [2], []),
    "new code": (add("code", "heading-2", "x = 1"), [2], []),
    "answer": (replace("blank-1", "math.sqrt(d)", "d ** 0.5"), [], []),
    "beginning": (replace("imports", "import math", "import math, os"), [], []),
    "nothing": (replace("imports", "import math", "import math"), [], []),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_an_exercise_is_found(kit, tiny, name):
    change, while_wrong, while_right = CHANGES[name]
    learner = kit.filled(kit.right | {1: "def scores(q, k):\n    d = q.shape[-1]\n    return q"})
    today(kit, tiny, change)
    assert changed(learner, "tiny", right=()) == while_wrong
    assert changed(learner, "tiny", right=(1, 2, 3, 4)) == while_right


def all_filled(kit, notebook):
    """The answers of a learner who left what is given around the blanks."""
    solved = {cell["id"]: cell for cell in kit.solutions()["cells"]}
    for cell in notebook["cells"]:
        if "blank" in notebooks.tags(cell):
            cell["source"] = solved[cell["id"]]["source"]


def run(kit, notebook):
    for count, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {"editable": True, "tags": []}
        if cell["cell_type"] == "code":
            cell |= {"outputs": kit.printed("1"), "execution_count": count}


def ends_of_lines(kit, notebook):
    for cell in notebook["cells"]:
        cell["source"] = notebooks.source(cell).replace("\n", "  \r\n") + "\n\n"


def added(kit, notebook):
    for place in (0, 3, 5, len(notebook["cells"])):
        notebook["cells"].insert(place, kit.cell("code", f"mine-{place}", "1 + 1"))
    notebook["cells"].append(kit.cell("markdown", "note", "## Exercise 2 ★ My own"))


def moved(kit, notebook):
    notebook["cells"].reverse()


def notes(kit, notebook):
    cell = kit.find(notebook, "heading-1")
    cell["source"] = notebooks.source(cell) + "\n\nMind the root."


def ids_lost(kit, notebook):
    for cell in notebook["cells"]:
        del cell["id"]


@pytest.mark.parametrize(
    "change",
    [all_filled, run, ends_of_lines, added, moved, notes, ids_lost],
    ids=lambda change: change.__name__,
)
def test_what_a_learner_does_is_no_change(kit, tiny, change):
    learner = kit.filled()
    change(kit, learner)
    assert changed(learner, "tiny", right=()) == []


def test_an_answer_that_is_right_may_be_written_anew(kit, tiny):
    learner = kit.filled({1: "scores = make()"})
    learner["cells"].remove(kit.find(learner, "check-2"))
    assert changed(learner, "tiny", right=(1, 2)) == []
    assert changed(learner, "tiny", right=()) == [1, 2]


def test_an_exercise_that_the_copy_lacks_is_not_named(kit, tiny):
    learner = kit.filled()
    learner["cells"] = [cell for cell in learner["cells"] if not cell["id"].endswith("-4")]
    assert changed(learner, "tiny", right=()) == []


def test_the_book_of_today_agrees_with_itself():
    for chapter in notebooks.chapters():
        assert changed(originals.original(chapter), chapter, right=()) == []
