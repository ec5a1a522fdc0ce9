"""Terminals of any encoding: what it lacks is written in other characters, and nothing fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from command_line import standings

from course.commands.encoding import plain
from course.commands.main import main
from course.exercises import grade
from course.exercises.doctor import Finding

ENCODINGS = ["ascii", "latin-1", "gbk", "cp1252", "utf-8"]
FORMULA = r"With $\\sqrt{d_k} \\le \\alpha^{-2} \\to \\hat x$ … 注意力 \ud83d\ude00"
COMMANDS = [
    ("start", "softmax", "--force"),
    ("check", "softmax"),
    ("hint", "softmax", "1"),
    ("progress",),
    ("reset", "softmax", "1"),
    ("doctor",),
    ("bench", "attention", "--help"),
    ("check", "注意力.ipynb"),
    ("start", "注意力"),
]


@pytest.fixture
def found(home, monkeypatch):
    """Formulas and other signs wherever a command may print some."""
    path = home / "set" / "exercises" / "softmax.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("Think 1.", FORMULA), encoding="utf-8")
    found = standings("right", "wrong", "not done", "waits")
    object.__setattr__(found[1], "says", "with x → ∞ it gives ½ α² √d, expected ≤ 1")
    object.__setattr__(found[1], "title", "The scale $\\sqrt{d}$")
    monkeypatch.setattr(grade, "grade", lambda path, timeout: ("softmax", found))
    examined = [Finding("python", False, "", "Install it …", optional=True)]
    monkeypatch.setattr("course.exercises.doctor.examine", lambda: examined)


def course(encoding, *arguments):
    result = CliRunner(charset=encoding).invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.output_bytes.decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_fails(found, encoding, command):
    course(encoding, "start", "softmax")
    assert course(encoding, *command)


def test_a_check_shows_marks_that_the_encoding_has(found):
    course("ascii", "start", "softmax")
    text = course("ascii", "check", "softmax")
    assert "\n  1  +         *    Task 1 (derive)\n" in text
    assert "\n  2  x         **   The scale sqrt d (derive)\n" in text
    assert "with x -> inf it gives 1/2 alpha^2 sqrt d, expected <= 1" in text
    text = course("gbk", "check", "softmax")
    assert "\n  2  x         ★★   The scale √d (derive)\n" in text
    assert "with x → ∞ it gives 1/2 α^2 √d, expected ≤ 1" in text


@pytest.mark.parametrize(
    ("character", "text"),
    [
        ("ψ", "psi"),
        ("Σ", "Sigma"),
        ("²", "^2"),
        ("⁻", "^-"),
        ("é", "e"),
        ("\u0302", "_hat"),
        ("注", "?"),
        ("\udcff", "?"),
    ],
)
def test_characters_in_ascii(character, text):
    assert plain(character) == text


@pytest.mark.parametrize("encoding", ENCODINGS[:3])
def test_a_real_process_prints_in_the_encoding_of_its_streams(found, home, encoding):
    code = f"from course.commands.main import main; main({json.dumps(['hint', 'softmax', '1'])})"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run([sys.executable, "-c", code], cwd=home, env=environment, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode(encoding).startswith("Hint 1 of 2")
