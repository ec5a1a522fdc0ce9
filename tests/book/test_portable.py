"""`make portable`: which settings it runs, and what a machine says that cannot run one."""

from __future__ import annotations

import subprocess

import notebooks
import pytest

MAKE = ["make", "-s", "-o", ".venv/.ready"]


def make(*arguments: str) -> str:
    done = subprocess.run([*MAKE, *arguments], cwd=notebooks.ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_all_notebooks_run_in_all_settings() -> None:
    plan = make("-n", "portable")
    for setting in ("ATEN_CPU_CAPABILITY=default", "ATEN_CPU_CAPABILITY=avx2", "OMP_NUM_THREADS=2"):
        assert plan.count(setting) == 1
    for path in notebooks.find():
        assert plan.count(notebooks.label(path)) == 3, path


@pytest.mark.slow
def test_a_machine_says_what_it_cannot_do() -> None:
    assert make("portable", "SETTING=abacus") == "This machine cannot compute with abacus: left out.\n"
