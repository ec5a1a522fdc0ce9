"""Commands driven from outside, as a reader or an author types them, and what they said."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import notebooks

CHAPTER = "softmax"
COURSE = (sys.executable, "-c", "from course.commands.main import main; main()")


class Fails(Exception):
    """What went wrong, in what the command said."""


class NotTried(Exception):
    """Why a set-up cannot be tried here."""


def run(
    *command: str | Path,
    cwd: Path,
    status: int = 0,
    largest: int | None = None,
    encoding: str = "utf8",
    **variables: str,
) -> str:
    """Run a command; what it printed.

    Args:
        *command: The program and its arguments.
        cwd: Where it runs.
        status: The exit status that is right.
        largest: Bytes that a file may have, for a disk that is full.
        encoding: How it writes.
        **variables: Changes to the environment.

    Raises:
        Fails: Another exit status, or a traceback.
    """
    environment = _inherited() | {"PYTHONPATH": str(notebooks.ROOT / "src")} | variables
    if largest:  # Python does not notice that the compiled modules which it keeps are cut short
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    limit = largest and partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    ended = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=limit,
    )
    said = ended.stdout.decode(encoding, "backslashreplace").strip()
    if ended.returncode != status or "Traceback (most recent call last)" in said:
        raise Fails(f"status {ended.returncode}: … {sentence(said)[-300:]}")
    return said


def _inherited() -> dict[str, str]:
    """The environment without what would lead back to this checkout or its settings."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COURSE", "MAKE"))
    }


def last(text: str) -> str:
    """The line in which a command sums up."""
    return (text.splitlines() or ["nothing"])[-1].strip()


def sentence(text: str) -> str:
    return " ".join(text.split())


def expect(right: bool, otherwise: str) -> None:
    if not right:
        raise Fails(otherwise)


def start_and_check(cwd: Path, **options: str) -> str:
    """What a learner does first; the checked exercises are blank."""
    run(*COURSE, "start", CHAPTER, cwd=cwd, **options)
    said = run(*COURSE, "check", CHAPTER, cwd=cwd, status=1, **options)
    expect(f"{CHAPTER}.ipynb: 0 of" in said, last(said))
    expect("not done" in said, "the verdicts are missing")
    return said
