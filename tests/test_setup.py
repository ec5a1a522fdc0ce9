"""`make setup`, with a program in place of Python that notes what it is asked to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAYS_WHY = "The user requested (constraint) soupsieve==4.1.2"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose environment is ready."""
    folder = tmp_path / "Bob's Kurs 注意力"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    stub(folder, "exit 0")
    assert make(folder, "setup").returncode == 0
    return folder


def stub(folder: Path, script: str) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/asked"\n{script}\n', "utf8")
    python.chmod(0o755)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf8")


def test_the_environment_is_made_once(clone: Path) -> None:
    asked = (clone / "asked").read_text("utf8")
    assert "-r requirements.txt" in asked
    assert make(clone, "setup").returncode == 0
    assert (clone / "asked").read_text("utf8") == asked


def test_when_pip_fails_it_says_why_and_is_asked_again(clone: Path) -> None:
    (clone / ".venv" / ".ready").unlink()
    stub(clone, f"echo '{SAYS_WHY}'; exit 1")
    for _ in range(2):
        failed = make(clone, "setup")
        assert failed.returncode != 0
        assert SAYS_WHY in failed.stderr


@pytest.mark.parametrize("change", ["renamed", "copied"])
def test_a_clone_elsewhere_makes_its_environment_anew(clone: Path, change: str) -> None:
    elsewhere = clone.with_name("elsewhere")
    (clone.rename if change == "renamed" else lambda target: shutil.copytree(clone, target))(elsewhere)
    planned = make(elsewhere, "--dry-run", "setup").stdout
    assert planned.index("rm -rf .venv") < planned.index("-m venv .venv")


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin" / "python").unlink()
    assert "rm -rf .venv" in make(clone, "--dry-run", "setup").stdout
