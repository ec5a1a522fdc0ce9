"""Terminals of any width: nothing is lost, and no command is broken."""

from __future__ import annotations

import re

import pytest
from command_line import course, standings

from course.commands import terminal
from course.exercises import grade, record
from course.exercises.doctor import Finding

WIDTHS = [30, 39, 40, 54, 55, 69, 70, 80, 200]
COMMAND = re.compile(r"`[^`]*`")
TITLE = "Scale the scores so that none of the weights is large"


@pytest.fixture(params=WIDTHS)
def width(request, monkeypatch):
    """The width of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


@pytest.fixture
def found(monkeypatch, home):
    """What a check finds in chapter `softmax`: long texts."""
    says = "Exercise 2 is not right yet: all are 0; `course reset softmax 2` restores what was given with it."
    found = standings("right", "wrong", "not done", "waits")
    for standing in found:
        object.__setattr__(standing, "title", TITLE)
        object.__setattr__(standing, "kind", "find the bug")
    object.__setattr__(found[1], "says", says)
    monkeypatch.setattr(grade, "grade", lambda path, timeout: ("softmax", found))
    course("start", "softmax")
    return found


def words(text):
    return " ".join(text.split())


def assert_fits(text, width):
    """Lines fit, but for a command, which is longer than a narrow terminal is wide."""
    for line in text.splitlines():
        alone = COMMAND.fullmatch(line.strip().rstrip(".,;")) is not None
        assert len(line) <= min(width, 80) or alone, line
        assert line.count("`") % 2 == 0, line


def test_a_check_keeps_numbers_marks_stars_and_titles(found, width):
    text = course("check", "softmax")[1]
    assert_fits(text, width)
    rows = re.findall(r"^ +(\d) +(✓|✗|not done|waits) +(★+) ", text, re.MULTILINE)
    assert rows == [("1", "✓", "★"), ("2", "✗", "★★"), ("3", "not done", "★★★"), ("4", "waits", "★★★★")]
    assert words(text).count(f"{TITLE} (find the bug)") == 4
    assert words(found[1].says) in words(text)


def test_progress_keeps_all_numbers(home, width):
    course("start", "softmax")
    record.keep_states("softmax", {1: "right", 2: "wrong"})
    record.keep_hints("softmax", 1, 2)
    text = course("progress")[1]
    assert_fits(text, width)
    shown = "1 of 2 right, 1 wrong, 0 not done, 2 hints" if width < 43 else "softmax 1 of 2 1 0 2"
    assert shown in words(text)


def test_the_doctor_keeps_states_and_commands(home, width, monkeypatch):
    advice = "Install it by `pip install --no-deps -e .` and look again whether it is there."
    found = [Finding("python", True, "3.11"), Finding("jupyterlab", False, "", advice, True)]
    monkeypatch.setattr("course.exercises.doctor.examine", lambda: found)
    text = course("doctor")[1]
    assert_fits(text, width)
    assert re.search(r"^python +ok +3\.11$", text, re.MULTILINE)
    assert f"jupyterlab missing {advice} (optional)" in words(text)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("start", "softmax"), "`course start softmax --force`"),
        (("reset", "softmax"), "`course reset softmax 1`"),
        (("check", "masks"), "`course start masks`"),
        (("reset", "masks", "1"), "`course start masks`"),
    ],
)
def test_commands_stay_whole(home, width, arguments, command):
    course("start", "softmax")
    text = course(*arguments)[1]
    assert_fits(text, width)
    assert command in text


def test_hints_and_help_fit(home, width):
    assert_fits(course("hint", "softmax", "1", "--all")[1], width)
    assert_fits(course("start", "softmax")[1], width)
    assert course("check", "--help")[0] == 0


def test_code_in_a_hint_stays_as_it_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    code = "    x = torch.arange(6).reshape(2, 3) + torch.ones(2, 3)"
    terminal.say(f"Run this, and look at what comes out:\n{code}")
    assert capsys.readouterr().out == f"Run this, and look at what\ncomes out:\n{code}\n"


def test_only_a_terminal_gets_colours(found, monkeypatch):
    def colours():
        from click.testing import CliRunner

        from course.commands.main import main

        return "\x1b[" in CliRunner().invoke(main, ["check", "softmax"], color=True).output

    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours()
