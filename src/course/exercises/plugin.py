"""The pytest plugin: notebooks with exercises of this course are judged, not compared with stored outputs.

It acts only where nbval does (``--nbval``, ``--nbval-lax``) and only on notebooks whose metadata name a
chapter; everything else is imported when such a notebook turns up.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    group = parser.getgroup("course", "exercises of the course")
    group.addoption(
        "--course-timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long one cell of a learner's notebook may run",
    )
    group.addoption(
        "--course-report", metavar="FILE", help="write how each exercise stands, as JSON"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, Any, Any]:
    """Replace nbval's collector for notebooks with exercises."""
    collectors = yield
    option = parent.config.option
    wanted = getattr(option, "nbval", False) or getattr(option, "nbval_lax", False)
    if not wanted or file_path.suffix != ".ipynb" or not _is_ours(file_path):
        return collectors
    from course.exercises.learner import LearnerNotebook

    return [LearnerNotebook.from_parent(parent, path=file_path)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    if target := session.config.option.course_report:
        import json

        from course.exercises.learner import REPORT

        report = session.config.stash.get(REPORT, {})
        Path(target).write_text(json.dumps(report), encoding="ascii")


def _is_ours(path: Path) -> bool:
    from course.exercises.notebooks import Problem, learner_chapter, read

    try:
        return learner_chapter(read(path), path) is not None
    except Problem:
        # A file that cannot be read is ours too: nbval would answer with a stack of its own.
        return True
