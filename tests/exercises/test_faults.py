"""An author's slips are found."""

from __future__ import annotations

import pytest

from course.bank import load
from course.exercises import faults


def test_a_sound_notebook_has_no_faults(kit, tiny):
    assert faults.faults(kit.solutions(), "tiny", load("tiny")) == []


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
    assert any(said in fault for fault in faults.faults(notebook, "tiny")), faults.faults(notebook, "tiny")


def test_the_bank_is_compared(kit, tiny):
    bank = load("tiny")
    assert faults.faults(kit.solutions(), "tiny", bank[1:]) == ["tiny: exercise 1 is not in the bank."]
