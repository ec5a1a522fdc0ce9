"""Check a learner's notebook in a process of its own: pytest with nbval and this package's plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from course.exercises.changes import changed
from course.exercises.notebooks import Problem, learner_chapter, read


@dataclass(frozen=True)
class Standing:
    """How one exercise stands.

    Attributes:
        number: The exercise.
        title: Its title.
        stars: How hard it is.
        kind: What is asked.
        state: "right", "wrong", "not done" or "waits".
        says: One paragraph for the learner.
        changed: Whether the exercise is another one today than when the learner started it.
    """

    number: int
    title: str
    stars: int
    kind: str
    state: str
    says: str
    changed: bool = False


def grade(path: Path, timeout: float) -> tuple[str, list[Standing]]:
    """The chapter of a notebook and how its exercises stand.

    Args:
        path: A learner's notebook.
        timeout: How long one cell may run, in seconds.

    Raises:
        Problem: The notebook is missing or broken, holds no exercises of this course, or cannot be run.
    """
    notebook = read(path)
    chapter = learner_chapter(notebook, path)
    if chapter is None:
        raise Problem(f"{path} holds no exercises of this course.")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        command = _command(path, timeout, target)
        said = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        ended = subprocess.run(command, env=_environment(folder), **said)
        report = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    if not report:
        lines = (ended.stderr or ended.stdout).strip().splitlines()
        raise Problem(f"pytest could not run: {lines[-1] if lines else 'it said nothing'}.")
    entry = next(iter(report.values()))
    if entry["problem"]:
        raise Problem(entry["problem"])
    found = [Standing(**exercise) for exercise in entry["exercises"].values()]
    right = {standing.number for standing in found if standing.state == "right"}
    old = changed(notebook, chapter, right)
    return chapter, [
        replace(standing, changed=standing.number in old) for standing in found
    ]


def _command(path: Path, timeout: float, report: Path) -> list[str]:
    # The settings of whatever project the learner's folder lies in are no business of the exercises.
    return [
        *(sys.executable, "-m", "pytest", "-q", "--nbval-lax", str(path.resolve())),
        *(
            "-c",
            os.devnull,
            "--rootdir",
            str(path.resolve().parent),
            "--noconftest",
            "-p",
            "no:cacheprovider",
        ),
        *("--course-timeout", str(timeout), "--course-report", str(report)),
    ]


def _environment(folder: str) -> dict[str, str]:
    """The learner's, but for what would change how pytest runs and talks; it writes in `folder` only."""
    ours = {"PYTHONIOENCODING": "utf-8", "JUPYTER_RUNTIME_DIR": folder}
    return {
        name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"
    } | ours
