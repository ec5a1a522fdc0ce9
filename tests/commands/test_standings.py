"""What `course check` shows and keeps; the notebook itself is not run here."""

from __future__ import annotations

import dataclasses

import pytest
from command_line import course, sentence, standings

from course.exercises import grade, record
from course.exercises.notebooks import Problem


@pytest.mark.parametrize(
    ("states", "code", "shown", "hidden"),
    [
        (("right", "right"), 0, ["2 of 2 right", "✓", "★★"], ["fine"]),
        (("wrong", "waits"), 1, ["✗", "not right yet: too large.", "waits for exercise 1"], []),
        (("right", "not done"), 1, ["1 of 2 right", "not done"], ["not done yet"]),
    ],
)
def test_check_shows_a_row_per_exercise(home, monkeypatch, states, code, shown, hidden):
    seen = {}

    def fake(path, timeout):
        seen.update(path=str(path), timeout=timeout)
        return "softmax", standings(*states)

    monkeypatch.setattr(grade, "grade", fake)
    course("start", "softmax")
    got, text = course("check", "softmax", "--timeout", "7")
    assert got == code
    assert all(word in text for word in shown)
    assert not any(word in text for word in hidden)
    assert seen == {"path": "work/softmax.ipynb", "timeout": 7.0}
    assert record.states("softmax") == dict(enumerate(states, 1))


def test_check_without_a_name_checks_what_is_started(home, monkeypatch):
    seen = []

    def fake(path, timeout):
        seen.append(path.stem)
        if path.stem == "masks":
            raise Problem("masks is broken.")
        return path.stem, standings("right", "right")

    monkeypatch.setattr(grade, "grade", fake)
    assert course("check")[0] == 1
    course("start", "softmax")
    course("start", "masks")
    course("start", "masks", "--force")
    code, text = course("check")
    assert code == 1
    assert seen == ["masks", "softmax"]
    assert "masks is broken.\n" in text
    assert "work/softmax.ipynb: 2 of 2 right" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("{", "is broken: it is not valid JSON"),
        ('{"cells": []}', "holds no exercises of this course."),
    ],
)
def test_check_of_a_file_that_is_no_exercise_is_one_sentence(home, content, said):
    if content is not None:
        (home / "mine.ipynb").write_text(content, encoding="utf-8")
    code, text = sentence("check", "mine.ipynb")
    assert code == 1
    assert said in text


def test_a_chapter_that_is_not_started_says_how_to_start_it(home):
    assert "`course start softmax` makes it" in course("check", "softmax")[1]


def test_an_exercise_that_has_changed_is_named_with_the_way_to_the_new_one(home, monkeypatch):
    found = [dataclasses.replace(standing, changed=True) for standing in standings("right", "not done")]
    monkeypatch.setattr(grade, "grade", lambda path, timeout: ("softmax", found))
    course("start", "softmax")
    text = " ".join(course("check", "softmax")[1].split())
    for number in (1, 2):
        assert f"Exercise {number} has changed since it was started" in text
        assert f"`course reset softmax {number}` restores it as it is today, and keeps a backup." in text


def test_a_file_of_the_book_itself_is_not_checked(home, monkeypatch):
    original = home / "set" / "exercises" / "softmax.ipynb"
    monkeypatch.setattr(grade, "grade", lambda path, timeout: pytest.fail("it was checked"))
    for place, name in ((home, "set/exercises/softmax.ipynb"), (original.parent, "softmax.ipynb")):
        monkeypatch.chdir(place)
        code, text = sentence("check", name)
        assert code == 1
        assert text.endswith("is not checked: `course start softmax` makes your copy in work/.")
