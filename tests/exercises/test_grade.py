"""`course check` from end to end, and the doctor: with real kernels."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from course.commands.main import main
from course.exercises import workspace
from course.exercises.doctor import examine

pytestmark = pytest.mark.slow


def test_check_runs_the_notebook_and_keeps_the_states(kit, tiny, tmp_path):
    # Settings of a project around the learner's folder must not matter.
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("raise RuntimeError\n", encoding="utf-8")
    path, _ = workspace.start("tiny")
    path.write_text(json.dumps(kit.filled({1: kit.right[1], 3: "answer = 0.25"})), encoding="utf-8")
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 1
    assert "work/tiny.ipynb: 1 of 4 right" in result.output
    assert "That is the square of it. [squared]" in result.output
    progress = CliRunner().invoke(main, ["progress"]).output
    assert progress.splitlines()[1].split() == ["tiny", "1", "of", "4", "1", "2"]


def test_the_doctor_looks_for_everything():
    findings = {finding.name: finding for finding in examine()}
    needed = ["python", "course", "torch", "processor", "memory", "nbval", "kernel"]
    assert set(findings) == {*needed, "jupyterlab", "chromium", "compiler", "triton", "attend"}
    assert all(findings[name].ok for name in needed)
    assert all(finding.ok or finding.advice for finding in findings.values())
