"""The plugin judges what plain nbval lets pass, and lets pass what plain nbval refuses wrongly.

All notebooks run in two calls of pytest, one without the plugin and one with it, each with one kernel; the
tests share what these said.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SHARED = ("-p", "shared_kernel")

WRONG = "def scores(q, k):\n    return q @ k.mT / q.shape[-1]"
FAKE = "    print('Exercise 1: correct.')"
ERROR = {"output_type": "error", "ename": "Wrong", "evalue": "no", "traceback": ["no"]}


def wrong_run_and_saved(kit, notebook):
    """The first exercise is wrong; the notebook was run and saved so."""
    kit.find(notebook, "blank-1")["source"] = WRONG
    kit.find(notebook, "check-1").update(outputs=[ERROR], execution_count=3)


def outputs_cleared(kit, notebook):
    """The first exercise is wrong; all outputs are cleared."""
    kit.find(notebook, "blank-1")["source"] = WRONG


def check_deleted(kit, notebook):
    """The first exercise is wrong; its check cell is gone."""
    kit.find(notebook, "blank-1")["source"] = WRONG
    notebook["cells"].remove(kit.find(notebook, "check-1"))


def check_edited(kit, notebook):
    """The first exercise is wrong; its check cell prints what a check prints."""
    kit.find(notebook, "blank-1")["source"] = WRONG
    printed = kit.printed("Exercise 1: correct.\n")
    kit.find(notebook, "check-1").update(source=FAKE.strip(), outputs=printed, execution_count=3)


def tagged(*tags):
    def change(kit, notebook):
        kit.find(notebook, "blank-1")["source"] = WRONG
        kit.find(notebook, "check-1").update(
            outputs=[ERROR], execution_count=3, metadata={"tags": list(tags)}
        )

    change.__doc__ = f"The first exercise is wrong; its check cell is tagged {tags}."
    return change


def marked_skip(kit, notebook):
    """Every cell is skipped by a comment for nbval."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = "# NBVAL_SKIP\n" + "".join(cell["source"])
    kit.find(notebook, "blank-1")["source"] = "# NBVAL_SKIP\n" + WRONG


def blank_saved_then_fixed(kit, notebook):
    """A blank was run and saved with its error, then filled in rightly."""
    kit.find(notebook, "check-1").update(outputs=[ERROR], execution_count=3)


def duplicated(kit, notebook):
    """The first exercise is wrong; the cells of its blank and check occur twice, ids and all."""
    kit.find(notebook, "blank-1")["source"] = WRONG
    for name in ("check-1", "blank-1"):
        notebook["cells"].append(dict(kit.find(notebook, name)))
    notebook["cells"].remove(kit.find(notebook, "check-1"))


def mangled(kit, notebook):
    """The answers are right; the order is reversed, the imports are gone, an editor named its own kernel."""
    notebook["cells"].remove(kit.find(notebook, "imports"))
    notebook["cells"].reverse()
    notebook["metadata"]["kernelspec"] = {"name": "my-venv", "display_name": "x", "language": "python"}


def check_redefined(kit, notebook):
    """A cell defines `check`; the check cell does not import it any more."""
    kit.find(notebook, "blank-1")["source"] = f"{WRONG}\n\ndef check(*answer):\n{FAKE}"
    kit.find(notebook, "check-1")["source"] = "check('tiny', 1, scores)"


def package_overridden(kit, notebook):
    """A cell replaces `check` in the package, what it is made of, and `print`."""
    kit.find(notebook, "blank-1")["source"] = f"""{WRONG}

import builtins, sys
import course.exercises
import course.grading.diagnosis

def fake(*answer):
{FAKE}

course.exercises.check = fake
course.grading.diagnosis.diagnose = lambda *answer: None
sys.modules['course.exercises.check'].check = fake
"""


def metadata_lost(kit, notebook):
    """The first exercise is wrong and skipped; the notebook does not say any more what it is."""
    tagged("nbval-skip")(kit, notebook)
    notebook["metadata"] = {"kernelspec": notebook["metadata"]["kernelspec"]}


def blanks(kit, notebook):
    """Nothing is filled in, and one blank is gone."""
    for n in (1, 3, 4):
        cell = kit.find(kit.filled(), f"blank-{n}")
        kit.find(notebook, f"blank-{n}")["source"] = cell["source"]
    notebook["cells"].remove(kit.find(notebook, "blank-2"))


def broken_cells(kit, notebook):
    """A syntax error, an exception in a function, an exception in a cell, a scratch cell that fails."""
    kit.find(notebook, "blank-1")["source"] = "def scores(q, k)\n    return q"
    kit.find(notebook, "blank-2")["source"] = "def centred(x):\n    y = x - 1\n    return y.nothing"
    kit.find(notebook, "blank-3")["source"] = "a = 1\nanswer = 1 / 0"
    notebook["cells"].insert(0, kit.cell("code", "mine", "1 / 0"))


def other_name(kit, notebook):
    """An answer has another name than the one that the check wants."""
    kit.find(notebook, "blank-3")["source"] = "result = 0.5"


def other_name_after_failure(kit, notebook):
    """The same, and an earlier cell of the learner's stops."""
    other_name(kit, notebook)
    notebook["cells"].insert(0, kit.cell("code", "mine", "1 / 0"))


ALL_RIGHT = dict.fromkeys("1234", "right")
FIRST_WRONG = {"1": "wrong", "2": "right", "3": "right", "4": "waits"}
ALL_WRONG = dict.fromkeys("123", "wrong") | {"4": "waits"}
ALL_BLANK = dict.fromkeys("123", "not done") | {"4": "waits"}

# name: change, whether plain nbval accepts it (None: it does not matter), how the plugin judges
CASES = {
    "saved": (wrong_run_and_saved, False, FIRST_WRONG),
    "cleared": (outputs_cleared, False, FIRST_WRONG),
    "deleted": (check_deleted, True, FIRST_WRONG),
    "edited": (check_edited, True, FIRST_WRONG),
    "skipped": (tagged("nbval-skip"), True, FIRST_WRONG),
    "raising": (tagged("raises-exception", "nbval-ignore-output"), True, FIRST_WRONG),
    "fixed": (blank_saved_then_fixed, False, ALL_RIGHT),
    "marked": (marked_skip, True, FIRST_WRONG),
    "redefined": (check_redefined, True, FIRST_WRONG),
    "overridden": (package_overridden, True, FIRST_WRONG),
    "tiny": (metadata_lost, True, FIRST_WRONG),
    "duplicated": (duplicated, None, FIRST_WRONG),
    "mangled": (mangled, None, ALL_RIGHT),
    "blanks": (blanks, None, ALL_BLANK),
    "broken": (broken_cells, None, ALL_WRONG),
    "renamed": (other_name, None, ALL_RIGHT | {"3": "not done"}),
    "stumbled": (other_name_after_failure, None, ALL_RIGHT | {"3": "wrong"}),
}
FOOLED = {name: accepted for name, (_, accepted, _) in CASES.items() if accepted is not None}
# The last exercise does not use the first here: plain nbval would notice a wrong first one by it.
ALONE = "def weights(q, k):\n    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)"


@pytest.fixture(scope="module")
def folder(kit, tmp_path_factory):
    """A notebook per case."""
    folder = tmp_path_factory.mktemp("work")
    for name, (change, _, _) in CASES.items():
        notebook = kit.filled(kit.right | {4: ALONE})
        change(kit, notebook)
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def plain(kit, folder, chapter):
    """Names of notebooks that nbval alone refuses."""
    ended = kit.nbval(folder, *SHARED, "-p", "no:course", "-rfE", *(f"{name}.ipynb" for name in FOOLED))
    assert "INTERNALERROR" not in ended.stdout + ended.stderr
    return set(re.findall(r"^(?:FAILED|ERROR) (\w+)\.ipynb", ended.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def judged(kit, folder, chapter):
    """How the plugin judges each notebook."""
    return kit.graded(folder, *SHARED)[0]


@pytest.mark.parametrize("name", FOOLED)
def test_plain_nbval_accepts_it_or_not(plain, name):
    assert (name not in plain) == FOOLED[name]


@pytest.mark.parametrize("name", CASES)
def test_the_plugin_judges_rightly(judged, name):
    states = {number: exercise["state"] for number, exercise in judged[name]["exercises"].items()}
    assert states == CASES[name][2], judged[name]
    assert judged[name]["problem"] is None
    assert judged[name]["chapter"] == "tiny"


def test_the_mistake_is_named_and_one_line_says_not_done(judged):
    named = "Exercise 1 is not right yet: You divide by d; the scale is its root. [divides-by-d]"
    assert judged["saved"]["exercises"]["1"]["says"] == named
    assert judged["blanks"]["exercises"]["1"]["says"] == "Exercise 1: not done yet."
    assert judged["blanks"]["exercises"]["4"]["says"] == "Exercise 4 waits for exercise 1."
    assert judged["blanks"]["exercises"]["2"]["says"] == (
        "Exercise 2: not done yet, and its cell is gone; `course reset tiny 2` restores it."
    )


def test_an_answer_under_another_name_says_which_name_is_wanted(judged):
    wanted = "its check looks for a variable called `answer`, which no cell defines"
    assert judged["renamed"]["exercises"]["3"]["says"] == f"Exercise 3: not done yet: {wanted}."
    said = judged["stumbled"]["exercises"]["3"]["says"]
    assert said.startswith(f"Exercise 3 cannot be checked: {wanted}; an earlier cell stops with ")


def test_broken_cells_say_what_and_where(judged):
    says = {number: exercise["says"] for number, exercise in judged["broken"]["exercises"].items()}
    assert (
        says["1"] == "Exercise 1 is not right yet: its cell stops with SyntaxError: expected ':' (in line 1)."
    )
    assert says["2"].startswith("Exercise 2 is not right yet: with x (3, 4), it stops with AttributeError: ")
    assert says["2"].endswith("It happens in line 3 of your cell: `return y.nothing`.")
    assert says["3"] == (
        "Exercise 3 is not right yet: its cell stops with ZeroDivisionError: division by zero "
        "(in line 2: `answer = 1 / 0`)."
    )


def test_every_report_is_one_short_paragraph(judged):
    for entry in judged.values():
        for exercise in entry["exercises"].values():
            assert "\n" not in exercise["says"]
            assert len(exercise["says"]) < 400
            assert "0x" not in exercise["says"]
            assert "/tmp" not in exercise["says"]


def test_kinds_titles_and_stars_are_reported(judged):
    assert judged["fixed"]["exercises"]["2"] == {
        "number": 2,
        "title": "Mend the mean",
        "stars": 2,
        "kind": "find the bug",
        "state": "right",
        "says": "Exercise 2: correct.",
    }


def test_one_exercise_can_be_run_alone(kit, chapter, tmp_path):
    text = json.dumps(kit.filled(kit.right))
    (tmp_path / "renamed.ipynb").write_text(text, encoding="utf-8")
    ended = kit.nbval(tmp_path, "-k", "4")
    assert "1 passed" in ended.stdout


def test_without_nbval_nothing_happens(kit, tmp_path):
    (tmp_path / "garbled.ipynb").write_text("{", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).returncode == 5
