"""Cells that never end, cells that end the kernel, and files that are no notebooks."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stopped(kit, chapter, tmp_path_factory):
    """Endless loops, a kernel that ends, files that are no notebooks: the report, and what pytest prints."""
    folder = tmp_path_factory.mktemp("stopped")
    # Loops that sleep: the processor is needed elsewhere.
    loop = "while True: time.sleep(0.1)"
    stubborn = f"import time\nwhile True:\n    try:\n        {loop}\n    except BaseException:\n        pass"
    endless = {1: stubborn, 2: f"import time\ndef centred(x):\n    {loop}"}
    deadly = {1: "def scores(q, k):\n    import os\n    os._exit(1)", 2: "import os\nos._exit(1)"}
    for name, answers in (("endless", endless), ("deadly", deadly)):
        text = json.dumps(kit.filled(kit.right | answers))
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    (folder / "garbled.ipynb").write_text('{"cells": [', encoding="utf-8")
    (folder / "list.ipynb").write_text("[]", encoding="utf-8")
    unknown = kit.filled() | {"metadata": {"course": {"exercises": "nowhere"}}}
    (folder / "unknown.ipynb").write_text(json.dumps(unknown), encoding="utf-8")
    return kit.graded(folder, "--course-timeout", "4")


def test_endless_loops_are_stopped_and_the_rest_is_judged(stopped):
    exercises = stopped[0]["endless"]["exercises"]
    loop = "was stopped after 4 s: is there a loop that never ends?"
    assert exercises["1"]["says"] == f"Exercise 1 is not right yet: its cell {loop}"
    assert exercises["2"]["says"] == f"Exercise 2 is not right yet: your code {loop}"
    assert exercises["3"]["state"] == "right"
    assert exercises["4"]["state"] == "waits"


def test_a_dead_kernel_is_one_sentence_and_the_rest_is_judged(stopped):
    exercises = stopped[0]["deadly"]["exercises"]
    assert "your code ended the kernel" in exercises["1"]["says"]
    assert "its cell ended the kernel" in exercises["2"]["says"]
    assert exercises["3"]["state"] == "right"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("garbled", "is broken: it is not valid JSON"),
        ("list", "is not a Jupyter notebook"),
        ("unknown", "There is no chapter called 'nowhere'"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(stopped, name, said):
    assert said in stopped[0][name]["problem"]


def test_pytest_prints_paragraphs_without_stacks(stopped):
    assert "Traceback" not in stopped[1]
    assert "Notebook cell execution failed" not in stopped[1]
    assert "Exercise 2 is not right yet: your code was stopped after 4 s" in stopped[1]
