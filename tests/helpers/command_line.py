"""The command `course`, run as a learner does, and what a check may find."""

from __future__ import annotations

from click.testing import CliRunner

from course.commands.main import main
from course.exercises.grade import Standing


def course(*arguments):
    """Run the command; its exit status and what it printed."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert "\x1b" not in result.output
    return result.exit_code, result.output


def sentence(*arguments):
    """Run the command; its exit status and what it printed, in one line."""
    code, text = course(*arguments)
    assert "\n\n" not in text
    return code, " ".join(text.split())


def standings(*states):
    says = {
        "right": "fine",
        "wrong": "Exercise 1 is not right yet: too large.",
        "not done": "x: not done yet.",
    }
    says["waits"] = "Exercise 2 waits for exercise 1."
    return [Standing(i, f"Task {i}", i, "derive", state, says[state]) for i, state in enumerate(states, 1)]
