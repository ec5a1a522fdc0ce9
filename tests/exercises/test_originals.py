"""What learners start from: made from the solutions, and never touched by a learner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from course.exercises import notebooks, originals
from course.exercises.notebooks import Problem

TOOL = Path(__file__).parents[2] / "tools" / "exercises.py"


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
    assert originals.stale() == ["orphan"]


def test_the_notebooks_of_the_book_are_fresh():
    assert originals.stale() == []


def test_what_is_written_into_an_original_reaches_no_one(kit, tiny):
    wanted = notebooks.text(originals.original("tiny"))
    (tiny / "exercises" / "tiny.ipynb").write_text(notebooks.text(kit.filled(kit.right)), encoding="utf-8")
    assert notebooks.text(originals.original("tiny")) == wanted == notebooks.text(kit.filled())


def test_without_solutions_the_file_is_the_original(kit, tiny):
    (tiny / "solutions" / "tiny.ipynb").unlink()
    assert originals.original("tiny") == kit.filled()


def test_an_original_is_refused_with_the_way_to_a_copy(kit, tiny, tmp_path):
    path = tiny / "exercises" / "tiny.ipynb"
    said = "is where everyone starts and is not checked: `course start tiny` makes your copy in work/"
    with pytest.raises(Problem) as caught:
        originals.refuse_original(path)
    assert str(caught.value) == f"{path} {said}."
    path.write_text(notebooks.text(kit.filled(kit.right)), encoding="utf-8")
    with pytest.raises(Problem) as caught:
        originals.refuse_original(path)
    kept = "(or copy the file to work/tiny.ipynb yourself, to keep what was written in it)"
    assert str(caught.value) == f"{path} {said} {kept}."
    link = tmp_path / "link.ipynb"
    link.symlink_to(path)
    with pytest.raises(Problem, match="is where everyone starts"):
        originals.refuse_original(link)


def test_a_copy_is_not_refused(kit, tiny, tmp_path):
    for path in (tmp_path / "tiny.ipynb", tiny / "exercises" / "work" / "tiny.ipynb"):
        originals.refuse_original(path)
