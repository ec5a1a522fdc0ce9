"""Finding and reading notebooks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from course.exercises import notebooks
from course.exercises.notebooks import Problem


def test_the_checkout_has_its_notebooks_in_book(monkeypatch):
    monkeypatch.delenv("COURSE_NOTEBOOKS", raising=False)
    assert notebooks.root().name in ("book", "notebooks")


def test_sections_titles_stars_and_hints(kit, tiny):
    parts = notebooks.sections(notebooks.read(notebooks.exercises("tiny")))
    assert [(p.number, p.stars, p.title) for p in parts] == [
        (0, 0, ""),
        (1, 1, "Scale the scores"),
        (2, 2, "Mend the mean"),
        (3, 1, "Predict"),
        (4, 3, "Weights"),
    ]
    assert parts[2].hints == ["Hint 2.1.", "Hint 2.2."]
    assert [cell["id"] for cell in parts[1].blank_cells + parts[1].check_cells] == ["blank-1", "check-1"]


def test_another_heading_ends_an_exercise(kit):
    notebook = kit.filled()
    notebook["cells"].append(kit.cell("markdown", "end", "## What next\n\nRest."))
    assert [part.number for part in notebooks.sections(notebook)] == [0, 1, 2, 3, 4, 0]


def test_an_unknown_chapter_gets_the_nearest_name(tiny):
    with pytest.raises(Problem) as caught:
        notebooks.exercises("tinny")
    assert str(caught.value) == "There is no chapter called 'tinny'; did you mean tiny? Chapters: tiny."
    with pytest.raises(Problem, match=r"^There is no chapter called 'zzz'\. Chapters: tiny\.$"):
        notebooks.exercises("zzz")


def test_an_unknown_exercise_is_refused(kit):
    with pytest.raises(Problem, match="Chapter 'tiny' has no exercise 7; it has exercises 1 to 4"):
        notebooks.section(kit.filled(), "tiny", 7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"{", "is broken: it is not valid JSON"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "is not a Jupyter notebook"),
        (b'{"cells": [1]}', "is not a Jupyter notebook"),
        (b'{"nbformat": 3, "cells": []}', "is not a Jupyter notebook of version 4"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, said):
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Problem, match=said) as caught:
        notebooks.read(path)
    assert "\n" not in str(caught.value)


def test_odd_metadata_is_survived():
    for metadata in (None, [], {"tags": "check"}, {"tags": [1, "check"]}):
        assert notebooks.tags({"metadata": metadata}) in ([], ["check"])
        assert notebooks.chapter_of({"metadata": metadata}) is None
    assert notebooks.chapter_of({"metadata": {"course": {"exercises": 3}}}) is None


def test_a_learners_notebook_is_known_without_its_metadata(kit, tiny, tmp_path):
    notebook = kit.filled() | {"metadata": {}}
    assert notebooks.learner_chapter(notebook, tmp_path / "tiny.ipynb") == "tiny"
    assert notebooks.learner_chapter(notebook, tmp_path / "other.ipynb") is None
    assert notebooks.learner_chapter(kit.solutions(), tiny / "solutions" / "tiny.ipynb") is None


def test_text_keeps_a_notebook(kit):
    assert json.loads(notebooks.text(kit.filled())) == kit.filled()


def test_a_broken_notebook_of_a_chapter_says_how_to_go_on(tiny, tmp_path):
    for name, command in (("tiny", "tiny"), ("mine", "NAME")):
        path = tmp_path / f"{name}.ipynb"
        path.write_text("{", encoding="utf-8")
        with pytest.raises(Problem) as caught:
            notebooks.read(path)
        assert str(caught.value) == (
            f"{path} is broken: it is not valid JSON. "
            f"`course start {command} --force` starts anew and keeps a backup of the broken file."
        )


LIGHT = ["course.commands.main", "course.exercises.plugin", "course.exercises.notebooks"]


@pytest.mark.parametrize("module", LIGHT)
def test_the_light_modules_load_neither_torch_nor_jupyter(module):
    heavy = "{'torch', 'numpy', 'nbformat', 'jupyter_client', 'IPython'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
