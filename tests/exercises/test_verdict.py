"""What is said of an exercise, for each way in which its cells may end."""

from __future__ import annotations

import pytest

from course.exercises.plan import Part
from course.exercises.session import Reply
from course.exercises.verdict import Happened, verdict

BLANK = Reply("error", "NotImplementedError", "Exercise 2: not done yet")
STOPS = Reply("error", "ValueError", "no.", "line 3: `x = y`")
UNKNOWN = Reply("error", "NameError", "name 'answer' is not defined")
WANTED = "its check looks for a variable called `answer`, which no cell defines"
MUTE = "its check ended without a verdict."
LOOP = "was stopped after 4 s: is there a loop that never ends?"
DEAD = "ended the kernel (out of memory, `exit()`, or a crash in compiled code)."
STOPPED = "stops with ValueError: no (in line 3: `x = y`)."


@pytest.mark.parametrize(
    ("check", "own", "earlier", "state", "said"),
    [
        (Reply("ok", printed="a\nExercise 2: correct.\n"), [], [], "right", ": correct."),
        (Reply("ok", printed="Exercise 1: correct."), [], [], "wrong", f" is not right yet: {MUTE}"),
        (Reply("error", "NotDone", "Exercise 2 waits."), [], [], "not done", " waits."),
        (Reply("error", "Wrong", "Exercise 2 is odd."), [], [], "wrong", " is odd."),
        (BLANK, [], [], "not done", ": not done yet."),
        (STOPS, [], [], "wrong", f" is not right yet: your code {STOPPED}"),
        (Reply("timeout"), [], [], "wrong", f" is not right yet: your code {LOOP}"),
        (Reply("dead"), [], [], "wrong", f" is not right yet: your code {DEAD}"),
        (UNKNOWN, [BLANK, STOPS], [], "wrong", f" is not right yet: its cell {STOPPED}"),
        (UNKNOWN, [Reply("timeout")], [], "wrong", f" is not right yet: its cell {LOOP}"),
        (UNKNOWN, [BLANK], [STOPS], "not done", ": not done yet."),
        (UNKNOWN, [], [STOPS], "wrong", f" cannot be checked: {WANTED}; an earlier cell {STOPPED}"),
        (UNKNOWN, [], [], "not done", f": not done yet: {WANTED}."),
    ],
)  # fmt: skip
def test_what_is_said(check, own, earlier, state, said):
    part = Part(2, 1, "Title", untouched=False)
    assert verdict("tiny", part, Happened(check, own, earlier, 4)) == (state, f"Exercise 2{said}")


def test_an_untouched_exercise_is_not_done_whatever_happens():
    assert verdict("tiny", Part(2, 1, "Title"), Happened(STOPS)) == ("not done", "Exercise 2: not done yet.")


def test_a_cell_that_is_gone_can_be_restored():
    part = Part(2, 1, "Title", missing=True)
    said = "Exercise 2: not done yet, and its cell is gone; `course reset tiny 2` restores it."
    assert verdict("tiny", part, Happened(UNKNOWN)) == ("not done", said)
