"""Set-ups that people have, each tried in an empty folder; `elsewhere.py` runs them.

A set-up is driven from outside, by the commands that a reader or an author types.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import notebooks
import size
from outside import CHAPTER, COURSE, NotTried, expect, last, run, sentence, start_and_check

SETUPS: dict[str, Callable[[Path], str]] = {}

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
ATTEND = """
import torch
from course.attention import attend
from course.kernels.choice import choose
x = torch.randn(1, 1, 300, 8)
torch.testing.assert_close(attend(x, x, x), attend(x, x, x, backend="einsum"))
print("attend chooses", *choose(x.device, x.dtype, 300 * 300)[:2])
"""
RUN_CELLS = """
import json, pathlib, sys
from course.exercises.session import Session
session = Session(".", 120)
session.start()
cells = [cell for cell in json.loads(pathlib.Path(sys.argv[1]).read_text("utf8"))["cells"]]
for cell in cells:
    if cell["cell_type"] == "code":
        reply = session.run("".join(cell["source"]))
        assert reply.status == "ok", reply
session.stop()
print("the first chapter runs,", len(cells), "cells")
"""


def setup(name: str) -> Callable[[Callable], Callable]:
    """Enter a function into the table."""
    return lambda function: SETUPS.setdefault(name, function)


def copy(folder: Path) -> Path:
    """What an archive of the repository holds."""
    for path in size.committed():
        target = folder / path.relative_to(notebooks.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return folder


@setup("archive without .git")
def archive(folder: Path) -> str:
    root = copy(folder / "archive")
    (root / "work").mkdir()
    (root / "work" / "mine.py").write_text("x=1\n", "utf8")
    run(sys.executable, "-m", "ruff", "check", ".", cwd=root)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=root)
    run(sys.executable, "tools/refresh.py", "--check", cwd=root)
    tests = (path for path in ("tests/test_files.py", "tests/book/test_files.py") if (root / path).exists())
    return last(run(*PYTEST, *tests, cwd=root, PYTHONPATH=str(root / "src")))


@setup("path with spaces and Chinese characters")
def odd_path(folder: Path) -> str:
    root = copy(folder / "注意力 und Kurs")
    return start_and_check(root, PYTHONPATH=str(root / "src")).splitlines()[0]


@setup("clone that was renamed or copied")
def renamed(folder: Path) -> str:
    return last(run(*PYTEST, "tests/test_setup.py", f"--basetemp={folder / 'tests'}", cwd=notebooks.ROOT))


@setup("wheel alone")
def wheel(folder: Path) -> str:
    base = folder / "tests"
    run(*PYTEST, "tests/test_wheel.py", f"--basetemp={base}", cwd=notebooks.ROOT)
    python = next(base.glob("*/env/bin/python"))
    chapter = notebooks.BOOK / "attention" / "scaled_dot_product.ipynb"
    return last(run(python, "-c", RUN_CELLS, chapter, cwd=folder, PYTHONPATH=""))


@setup("home and caches that cannot be written")
def no_home(folder: Path) -> str:
    # root may write anywhere, so a file stands where a folder should be made
    blocked = folder / "file"
    blocked.touch()
    variables = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(blocked))
    start_and_check(folder, **variables)
    return last(run(sys.executable, "-c", ATTEND, cwd=folder, **variables))


def _terminal(encoding: str, folder: Path) -> str:
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    said = start_and_check(folder, encoding=encoding, **variables)
    for command in (("hint", CHAPTER, "1"), ("progress",), ("start", "注意力")):
        status = 1 if "注意力" in command else 0
        run(*COURSE, *command, cwd=folder, encoding=encoding, status=status, **variables)
    return next(line for line in said.splitlines() if " 1 " in line)


def _columns(columns: int, folder: Path) -> str:
    said = start_and_check(folder, COLUMNS=str(columns))
    widest = max(map(len, said.splitlines()))
    expect(widest <= columns, f"a line has {widest} characters")
    shown = re.findall(r"^ *(\d+) ", said, re.MULTILINE)
    expect(len(shown) >= 5, f"only the numbers {shown} are shown")
    return f"{len(shown)} exercises, lines of at most {widest} characters"


for name in ("ascii", "latin-1", "gbk", "cp1252"):
    SETUPS[f"locale C, terminal {name}"] = partial(_terminal, name)
for number in (40, 70, 80):
    SETUPS[f"terminal of {number} columns"] = partial(_columns, number)


def _compiler(script: str | None, folder: Path) -> str:
    programs = folder / "bin"
    programs.mkdir()
    for name in ("c++", "g++", "clang++", "cc", "gcc", "clang") if script else ():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", "utf8")
        (programs / name).chmod(0o755)
    variables = {"PATH": str(programs), "CXX": "", "COURSE_CACHE": str(folder / "cache")}
    said = run(sys.executable, "-W", "ignore", "-c", ATTEND, cwd=folder, **variables)
    expect("attend chooses tiled" in said, last(said))
    doctor = run(*COURSE, "doctor", cwd=folder, **variables)
    (line,) = (line for line in doctor.splitlines() if line.startswith("compiler"))
    expect(" ok " not in line, f"course doctor: {line}")
    return sentence(last(said))


SETUPS["no compiler"] = partial(_compiler, None)
SETUPS["compiler that fails"] = partial(_compiler, "echo 'no licence' >&2; exit 1")
SETUPS["compiler that makes nothing"] = partial(_compiler, "exit 0")


@setup("full disk: course start")
def full_start(folder: Path) -> str:
    said = run(*COURSE, "start", CHAPTER, cwd=folder, status=1, largest=1000)
    expect(not list(folder.glob("work/*.ipynb")), "half a notebook is left")
    return sentence(said)


@setup("full disk: course reset")
def full_reset(folder: Path) -> str:
    run(*COURSE, "start", CHAPTER, cwd=folder)
    path = folder / "work" / f"{CHAPTER}.ipynb"
    before = path.read_bytes()
    said = run(*COURSE, "reset", CHAPTER, "--force", cwd=folder, status=1, largest=1000)
    expect(path.read_bytes() == before, "the notebook is lost")
    expect(len(list(folder.glob("work/*.ipynb"))) == 1, "half a backup is left")
    return sentence(said)


@setup("full disk: make refresh")
def full_refresh(folder: Path) -> str:
    path = folder / "a.ipynb"
    cells = [{"cell_type": "code", "id": "a", "metadata": {}, "source": "print('x' * 9000)"}]
    cells[0] |= {"execution_count": None, "outputs": []}
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(notebooks.to_text(notebooks.nbformat.from_dict(notebook)), "utf8")
    before = path.read_bytes()
    # what the kernel writes for itself is smaller than the notebook that does not fit
    said = run(
        sys.executable, notebooks.ROOT / "tools" / "refresh.py", path, cwd=folder, status=1, largest=8000
    )
    expect(path.read_bytes() == before, "the notebook is lost")
    return sentence(last(said))


@setup("folder in which nothing can be written")
def no_folder(folder: Path) -> str:
    (folder / "work").touch()
    return sentence(run(*COURSE, "start", CHAPTER, cwd=folder, status=1))


@setup("record that cannot be written")
def no_record(folder: Path) -> str:
    run(*COURSE, "start", CHAPTER, cwd=folder)
    (folder / "work" / ".progress.json").mkdir()
    said = run(*COURSE, "check", CHAPTER, cwd=folder, status=1)
    expect(f"{CHAPTER}.ipynb: 0 of" in said, "the result was not shown")
    return sentence(said.split("\n\n")[-1])


def _python(version: str, folder: Path) -> str:
    found = [
        shutil.which(f"python{version}", path=f"{place}") for place in os.environ["PATH"].split(os.pathsep)
    ]
    for python in dict.fromkeys(filter(None, found)):
        if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            break
    else:
        raise NotTried(f"there is no python{version} here")
    code = "import sys; sys.exit(sys.version.split()[0])"
    exact = subprocess.run([python, "-c", code], capture_output=True, text=True).stderr.strip()
    quiet = {"PYTHONPYCACHEPREFIX": str(folder)}
    run(python, "-m", "compileall", "-q", "src", "tools", "tests", "conftest.py", cwd=notebooks.ROOT, **quiet)
    return f"Python {exact} reads every file; nothing was installed for it"


for name in ("3.11", "3.12", "3.13", "3.14"):
    SETUPS[f"Python {name}"] = partial(_python, name)


def _elsewhere(why: str, folder: Path) -> str:
    raise NotTried(why)


SETUPS["Windows"] = partial(_elsewhere, "needs Windows; the course promises Linux and macOS")
SETUPS["Mac with an Intel processor"] = partial(_elsewhere, "needs one; torch has no wheel for it")
SETUPS["Mac with Apple's processor"] = partial(_elsewhere, "needs one")
SETUPS["other vector instructions, two threads"] = partial(_elsewhere, "that is `make portable`")
SETUPS["JupyterLab, phones, paper"] = partial(_elsewhere, "that is `make test`, in a browser")
