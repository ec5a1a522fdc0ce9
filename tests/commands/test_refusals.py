"""Disks that are full and folders that may not be written: one sentence, after the result was shown."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from command_line import course, sentence, standings

from course.exercises import grade, record


@pytest.fixture
def full(home, monkeypatch):
    """A learner's folder with a started chapter, on a disk that is full from now on."""
    course("start", "softmax")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    return home / "work"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "masks"),
        ("start", "softmax", "--force"),
        ("reset", "softmax", "1"),
        ("reset", "softmax", "--force"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_one_sentence_and_changes_nothing(full, arguments):
    before = contents(full)
    code, text = sentence(*arguments)
    assert code == 1
    assert text.endswith(".ipynb cannot be written: No space left on device.")
    assert contents(full) == before


def test_a_result_is_shown_before_it_cannot_be_kept(full, monkeypatch):
    monkeypatch.setattr(grade, "grade", lambda path, timeout: ("softmax", standings("right", "right")))
    before = contents(full)
    code, text = course("check", "softmax")
    assert code == 0
    assert text.index("softmax.ipynb: 2 of 2 right") < text.index("✓") < text.index("will not know of it")
    code, text = course("hint", "softmax", "1")
    assert code == 0
    assert text.index("Think 1.") < text.index("will not know of it")
    assert contents(full) == before


def test_a_folder_that_may_not_be_read_is_one_sentence(home, monkeypatch):
    def refuse(path, timeout):
        raise PermissionError(errno.EACCES, "Permission denied", "work")

    course("start", "softmax")
    monkeypatch.setattr(grade, "grade", refuse)
    assert sentence("check", "softmax") == (1, "work: Permission denied.")


def test_a_reader_who_goes_away_sees_no_stack(home):
    code = "from course.commands.main import main; main(['progress'])"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.stdin.read(); {code}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home,
    )  # fmt: skip
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_hints_that_are_taken_at_once_are_all_counted(home):
    code = "from course.commands.main import main; main(['hint', sys.argv[1], sys.argv[2], '--all'])"
    taken = [(chapter, number) for chapter in ("softmax", "masks") for number in ("1", "2")] * 2
    command = [sys.executable, "-c", f"import sys; {code}"]
    running = [subprocess.Popen([*command, *one], cwd=home, stdout=subprocess.DEVNULL) for one in taken]
    assert [process.wait(timeout=60) for process in running] == [0] * 8
    assert record.hints("softmax") == record.hints("masks") == {1: 2, 2: 2}
