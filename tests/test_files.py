"""Files of value: after a failure they are what they were, and two processes never lose each other's work."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from course import files

# A disk that is full after 1,000 bytes, as a process sees it.
FULL = """
import resource, signal, sys
from course import files  # first: Python would keep a compiled module that is cut short
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write(sys.argv[1], "new" * 1000)
except files.NotWritten as error:
    print(error)
"""

APPEND = """
import sys, time
from pathlib import Path
{preface}
from course import files
path = Path(sys.argv[1])
for _ in range(5):
    with files.alone(path.with_name(".lock")):
        known = path.read_text() if path.exists() else ""
        time.sleep(0.002)
        files.write(path, known + "x")
"""

# What files.py finds on Windows, made of what there is here.
WINDOWS = """
import fcntl, types
LK_LOCK = 1
def locking(number, mode, size):
    fcntl.lockf(number, fcntl.LOCK_EX, size)
sys.modules.update(fcntl=None, msvcrt=types.SimpleNamespace(LK_LOCK=LK_LOCK, locking=locking))
"""


def python(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["Σ 1\n2\r\n", b"\x00\xff"])
def test_a_file_holds_what_is_written(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    for _ in range(2):
        files.write(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(path.parent) == ["a.txt"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.touch(mode=0o640)
    link.symlink_to(path)
    files.write(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_may_be_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    files.write(tmp_path / "a", "new")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit for the size of files here")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    said = python(FULL, path).communicate(timeout=60)[0]
    assert said == f"{path} cannot be written: File too large.\n"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(files.NotWritten, match=r"a\.txt cannot be written: No space left on device\.$"):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_protected_file_or_folder_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("nothing is protected from this user")
    with pytest.raises(files.NotWritten, match="Permission denied"):
        files.write(path, "new")
    assert path.read_text() == "old"
    tmp_path.chmod(0o555)
    with pytest.raises(files.NotWritten, match="Permission denied"):
        files.write(tmp_path / "b.txt", "new")
    tmp_path.chmod(0o755)


def test_where_a_folder_cannot_be_made_it_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "a.txt"
    with pytest.raises(files.NotWritten, match=r"a\.txt cannot be written: [\w ]+\.$"):
        files.write(path, "new")
    with (
        pytest.raises(files.NotWritten, match=r"^The folder .*file cannot be written: [\w ]+\.$"),
        files.alone(path),
    ):
        pass


@pytest.mark.skipif(files.fcntl is None, reason="the test stands on fcntl")
@pytest.mark.parametrize("preface", ["", WINDOWS], ids=["here", "windows"])
def test_eight_processes_lose_nothing(tmp_path: Path, preface: str) -> None:
    path = tmp_path / "record"
    running = [python(APPEND.format(preface=preface), path) for _ in range(8)]
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0] * 8
    assert path.read_text() == "x" * 40
