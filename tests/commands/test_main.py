"""The command `course`, as a learner uses it."""

from __future__ import annotations

import json

import pytest
from command_line import course, sentence, standings

from course import __version__
from course.exercises import grade, record
from course.exercises.doctor import Finding


def test_version_and_help():
    assert course("--version") == (0, f"course, version {__version__}\n")
    code, text = course("--help")
    assert code == 0
    for command in ("start", "check", "progress", "hint", "reset", "doctor"):
        assert f"\n  {command} " in text


def test_start_refuses_to_overwrite(home):
    assert course("start", "softmax")[0] == 0
    code, text = sentence("start", "softmax")
    assert code == 1
    assert text.endswith("`course start softmax --force` starts anew and keeps a backup.")
    code, text = course("start", "softmax", "--force")
    assert code == 0
    assert "work/softmax.backup-1.ipynb" in text


@pytest.mark.parametrize("command", [("start",), ("check",), ("hint", "1"), ("reset", "1")])
def test_an_unknown_chapter_is_one_sentence_with_the_nearest_name(home, command):
    code, text = sentence(command[0], "sofmax", *command[1:])
    assert code == 1
    assert text == "There is no chapter called 'sofmax'; did you mean softmax? Chapters: masks, softmax."


def test_hints_come_one_by_one(home):
    assert "Hint 1 of 2\n\nThink 1." in course("hint", "softmax", "1")[1]
    second = course("hint", "softmax", "1")[1]
    assert "Think 2." in second
    assert "Think 1." not in second
    assert "`course hint softmax 1 --all` shows them again" in course("hint", "softmax", "1")[1]
    assert course("hint", "softmax", "2", "--all")[1].count("Think") == 2
    assert record.hints("softmax") == {1: 2, 2: 2}
    assert course("hint", "softmax", "7")[0] == 1


def test_reset_of_one_and_of_all(home):
    course("start", "softmax")
    path = home / "work" / "softmax.ipynb"
    fresh = path.read_bytes()
    filled = json.loads(fresh)
    for made in filled["cells"]:
        if made["id"].startswith("blank"):
            made["source"] = "answer = 1"
    path.write_text(json.dumps(filled), encoding="utf-8")
    assert sentence("reset", "softmax", "1") == (
        0,
        "Exercise 1 of work/softmax.ipynb is blank again; "
        "the old notebook is kept as work/softmax.backup-1.ipynb.",
    )
    restored = json.loads(path.read_text(encoding="utf-8"))
    assert [c["source"] for c in restored["cells"] if c["id"].startswith("blank")] == [
        "answer = ...",
        "answer = 1",
    ]
    code, text = course("reset", "softmax")
    assert (code, "--force" in text) == (1, True)
    assert sentence("reset", "softmax", "--force")[1].startswith("work/softmax.ipynb is blank again; the old")
    assert path.read_bytes() == fresh
    assert len(list(path.parent.glob("*.backup-*.ipynb"))) == 2


def test_start_trusts_the_notebook(home, monkeypatch):
    trusted = []
    monkeypatch.setattr("course.commands.main.trust", trusted.append)
    course("start", "softmax")
    course("start", "softmax")
    course("reset", "softmax", "--force")
    assert [path.as_posix() for path in trusted] == ["work/softmax.ipynb"] * 2


def test_inside_work_the_notebooks_are_found(home, monkeypatch):
    course("start", "softmax")
    course("hint", "softmax", "1")
    monkeypatch.chdir(home / "work")
    monkeypatch.setattr(grade, "grade", lambda path, timeout: (path.stem, standings("right", "wrong")))
    assert "softmax.ipynb: 1 of 2 right" in course("check")[1]
    assert course("check", "softmax")[1].startswith("softmax.ipynb: 1 of 2 right")
    assert "Hint 2 of 2" in course("hint", "softmax", "1")[1]
    assert sentence("reset", "softmax", "1")[1].startswith(
        "Exercise 1 of softmax.ipynb is blank again; the old"
    )
    row = next(line for line in course("progress")[1].splitlines() if line.startswith("softmax"))
    assert row.split()[1:] == ["1", "of", "2", "1", "0", "2"]
    assert "exists already" in sentence("start", "softmax")[1]
    assert not (home / "work" / "work").exists()
    (home / "work" / "softmax.ipynb").write_text("{", encoding="utf-8")
    assert "`course start softmax --force` starts anew" in sentence("reset", "softmax", "1")[1]
    assert "kept as softmax.backup-2.ipynb" in sentence("start", "softmax", "--force")[1]


def test_a_notebook_of_the_same_name_that_holds_no_exercises_is_left_alone(home):
    page = home / "softmax.ipynb"
    page.write_text('{"cells": [], "nbformat": 4}', encoding="utf-8")
    assert "`course start softmax` makes it" in sentence("reset", "softmax", "1")[1]
    assert course("start", "softmax")[1].startswith("Open work/softmax.ipynb")
    assert page.read_text(encoding="utf-8") == '{"cells": [], "nbformat": 4}'


def test_the_notebooks_of_the_book_itself_are_left_alone(home, monkeypatch):
    monkeypatch.chdir(home / "set" / "exercises")
    assert "`course start softmax` makes it" in sentence("reset", "softmax", "1")[1]


def test_hints_are_plain_text_in_lines_of_80(home):
    path = home / "set" / "exercises" / "softmax.ipynb"
    text = path.read_text(encoding="utf-8")
    hint = (
        "See {eq}`scores` in {doc}`/book/attention/softmax`, with $\\frac{q}{\\sqrt{d_k}}$. " + "word " * 40
    )
    path.write_text(text.replace("Think 1.", json.dumps(hint)[1:-1]), encoding="utf-8")
    shown = course("hint", "softmax", "1")[1]
    assert "See equation 'scores' in chapter softmax, with (q)/(√d_k)." in shown
    assert len(shown.splitlines()) > 5


def test_progress_shows_all_chapters(home):
    course("start", "softmax")
    record.keep_states("softmax", {1: "right", 2: "wrong"})
    record.keep_hints("softmax", 1, 2)
    code, text = course("progress")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert code == 0
    assert rows["softmax"] == ["1", "of", "2", "1", "0", "2"]
    assert rows["masks"] == ["not", "started"]


def test_progress_follows_the_order_of_the_book(home):
    def first_column():
        return [line.split()[0] for line in course("progress")[1].splitlines() if "started" in line]

    assert first_column() == ["masks", "softmax"]
    (home / "_toc.yml").write_text("file: book/exercises/softmax\n", encoding="utf-8")
    assert first_column() == ["softmax", "masks"]


@pytest.mark.parametrize(("optional", "code"), [(True, 0), (False, 1)])
def test_doctor_fails_only_for_what_is_needed(monkeypatch, optional, code):
    found = [Finding("python", True, "3.11"), Finding("chromium", False, "", "Install it.", optional)]
    monkeypatch.setattr("course.exercises.doctor.examine", lambda: found)
    got, text = course("doctor")
    assert got == code
    assert "missing" in text
    assert "Install it." in text
