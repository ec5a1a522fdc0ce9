"""The report of the plugin, which `course check` reads."""

from __future__ import annotations

import json
from types import SimpleNamespace

from course.exercises.learner import REPORT
from course.exercises.plugin import pytest_sessionfinish


def test_paths_that_the_locale_cannot_read(tmp_path):
    report = {"Kurs \udce6\udcb3\udca8/softmax.ipynb": {"problem": "", "exercises": {}}}
    option = SimpleNamespace(course_report=str(tmp_path / "report.json"))
    config = SimpleNamespace(option=option, stash={REPORT: report})
    pytest_sessionfinish(SimpleNamespace(config=config))
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
