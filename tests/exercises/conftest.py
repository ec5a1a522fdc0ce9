"""A small chapter, `tiny`, with a bank and notebooks of its own, and ways to fill in its blanks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from course import bank
from course.exercises import generate, notebooks

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

BANK = """
import torch

from course.grading.exercise import Exercise


def scores(q, k):
    return q @ k.mT / q.shape[-1] ** 0.5


def centred(x):
    return x - x.mean(-1, keepdim=True)


def weights(q, k):
    return scores(q, k).softmax(-1)


def queries_and_keys():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 3, 4, generator=generator, requires_grad=True)
    k = torch.randn(2, 5, 4, generator=generator, requires_grad=True)
    return [(q, k)]


def rows():
    return [(torch.arange(12.0).reshape(3, 4) ** 2,)]


SCORES = Exercise(1, kind="implement", reference=scores, cases=queries_and_keys, gradients=True)


@SCORES.mistake
def divides_by_d(q, k):
    '''You divide by d; the scale is its root.'''
    return q @ k.mT / q.shape[-1]


CENTRED = Exercise(2, kind="find the bug", reference=centred, cases=rows)


@CENTRED.mistake
def over_rows(x):
    '''The mean runs over the wrong axis.'''
    return x - x.mean(0, keepdim=True)


HALF = Exercise(3, kind="predict", reference=0.5)
HALF.mistake("squared", 0.25, "That is the square of it.")

WEIGHTS = Exercise(4, kind="implement", reference=weights, cases=queries_and_keys, needs=(1,))


@WEIGHTS.mistake
def over_queries(q, k):
    '''Each query weighs the keys.'''
    return scores(q, k).softmax(-2)


EXERCISES = (SCORES, CENTRED, HALF, WEIGHTS)
"""

RIGHT = {
    1: "def scores(q, k):\n    return q @ k.mT / math.sqrt(q.shape[-1])",
    2: "def centred(x):\n    return x - x.mean(-1, keepdim=True)",
    3: "answer = 0.5",
    4: "def weights(q, k):\n    return torch.softmax(scores(q, k), dim=-1)",
}

SOLVED = {
    1: """def scores(q, k):
    d = q.shape[-1]
    # solution: divide by the right number
    return q @ k.mT / math.sqrt(d)
    # end solution""",
    2: """def centred(x):
    # solution
    # stub| return x - x.mean(0, keepdim=True)
    return x - x.mean(-1, keepdim=True)
    # end solution""",
    3: "# solution\n# stub| answer = ...\nanswer = 0.5\n# end solution",
    4: """def weights(q, k):
    # solution
    return torch.softmax(scores(q, k), dim=-1)
    # end solution""",
}
NAMES = {1: "scores", 2: "centred", 3: "answer", 4: "weights"}
STARS = {1: "★", 2: "★★", 3: "★", 4: "★★★"}
TITLES = {1: "Scale the scores", 2: "Mend the mean", 3: "Predict", 4: "Weights"}


def cell(kind: str, name: str, source: str, *tags: str) -> dict:
    """One cell of a notebook."""
    made = {"cell_type": kind, "id": name, "metadata": {"tags": list(tags)} if tags else {}, "source": source}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def printed(text: str) -> list[dict]:
    """The stored output of a cell that printed `text`."""
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def solutions() -> dict:
    """The solution notebook of the chapter."""
    cells = [
        cell("markdown", "title", "# Solutions: a tiny chapter"),
        cell("raw", "welcome", "Fill in the blanks.", "exercises-only"),
        cell("markdown", "spoiler", "The answers follow.", "solutions-only"),
        cell("code", "imports", "import math\n\nimport torch"),
    ]
    for n, blank in SOLVED.items():
        hints = "\n\n".join(
            f'<details class="hint"><summary>Hint {i}</summary>\n\nHint {n}.{i}.\n\n</details>'
            for i in (1, 2)
        )
        check = f'from course.exercises import check\n\ncheck("tiny", {n}, {NAMES[n]})'
        cells += [
            cell("markdown", f"heading-{n}", f"## Exercise {n} {STARS[n]} {TITLES[n]}\n\nDo it.\n\n{hints}"),
            cell("code", f"blank-{n}", blank, "solution"),
            cell("code", f"check-{n}", check, "check", "nbval-check-output")
            | {"outputs": printed(f"Exercise {n}: correct.\n"), "execution_count": n},
            cell("markdown", f"worked-{n}", f"Because of {n}.", "worked"),
        ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def find(notebook: dict, name: str) -> dict:
    """The cell with an id."""
    return next(made for made in notebook["cells"] if made["id"] == name)


def filled(answers: dict[int, str] | None = None) -> dict:
    """A learner's notebook with some blanks filled in."""
    notebook = json.loads(notebooks.text(generate.generate(solutions(), "tiny")))
    for n, answer in (answers or {}).items():
        find(notebook, f"blank-{n}")["source"] = answer
    return notebook


def build(folder: Path) -> Path:
    """Write bank, solutions and exercises of the chapter into a folder."""
    for name in ("solutions", "exercises", "bank"):
        (folder / name).mkdir(parents=True)
    (folder / "bank" / "tiny.py").write_text(BANK, encoding="utf-8")
    (folder / "solutions" / "tiny.ipynb").write_text(json.dumps(solutions()), encoding="utf-8")
    (folder / "exercises" / "tiny.ipynb").write_text(notebooks.text(filled()), encoding="utf-8")
    return folder


def nbval(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run ``pytest --nbval-lax`` in a folder as a learner does, far from this project's settings."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", *options]
    environment = os.environ | {"PYTHONPATH": str(HELPERS)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


def graded(folder: Path, *options: str) -> tuple[dict[str, dict], str]:
    """The plugin's report on the notebooks of a folder, by name of file, and what pytest prints."""
    target = folder / "report.json"
    ended = nbval(folder, "--course-report", str(target), *options)
    assert target.exists(), ended.stdout + ended.stderr
    report = json.loads(target.read_text(encoding="utf-8"))
    return {Path(path).stem: entry for path, entry in report.items()}, ended.stdout


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The functions of this file, which tests cannot import."""
    functions = (cell, printed, solutions, find, filled, build, nbval, graded)
    return SimpleNamespace(**{function.__name__: function for function in functions}, right=RIGHT)


@pytest.fixture(scope="module")
def chapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the chapter, for all tests of a file that run notebooks in another process."""
    with pytest.MonkeyPatch.context() as patch:
        home = build(tmp_path_factory.mktemp("set"))
        patch.setenv("COURSE_NOTEBOOKS", str(home))
        yield home


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the chapter's bank and notebooks; the package looks for them there."""
    folder = build(tmp_path / "set")
    monkeypatch.setenv("COURSE_NOTEBOOKS", str(folder))
    monkeypatch.setattr(bank, "__path__", [str(folder / "bank"), *bank.__path__])
    monkeypatch.delitem(sys.modules, "course.bank.tiny", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder
