"""Refreshing a notebook: the same code gives the same bytes, and what is broken is refused."""

from __future__ import annotations

import copy
import errno
import os
from pathlib import Path

import nbformat
import notebooks
import pytest
import refresh
from agreement import Agreement
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CHAPTER = notebooks.BOOK / "intro.ipynb"  # the one that runs in a moment
FIGURE = """
import matplotlib.pyplot as plt
from course.viz import setup

setup()
plt.plot([0, 1], [0, 1])
plt.show()
"""


def write(path: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), *cells]), path)
    return path


@pytest.mark.slow
def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    """In a second process, too; what was rounded otherwise elsewhere stays, and what is wrong does not."""
    sources = (
        FIGURE,
        "print('a')\nprint('b')\n{'b': 1, 'a': {2}}",
        "print({'x', 'y'})",
        "print(0.123)",
        "print(3)",
    )
    path = write(tmp_path / "small.ipynb", *sources)
    assert refresh.refresh(path)
    first = path.read_text()
    assert "image/svg+xml" in first
    elsewhere = first.replace("0.123\\n", "0.124\\n").replace("M 40", "M 40.2")
    path.write_text(elsewhere.replace('"3\\n"', '"4\\n"'))
    assert refresh.refresh(path)
    assert path.read_text() == elsewhere != first
    assert refresh.check(path)


@pytest.mark.slow
@pytest.mark.skipif(not CHAPTER.exists(), reason="the chapter is not there")
def test_a_stored_chapter_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / CHAPTER.name
    path.write_bytes(CHAPTER.read_bytes())
    assert refresh.refresh(path)
    assert path.read_bytes() == CHAPTER.read_bytes()


@pytest.mark.slow
def test_a_broken_notebook_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "broken.ipynb", "import warnings\nwarnings.warn('old')", "object()", "1 / 0")
    before = path.read_bytes()
    assert not refresh.refresh(path)
    said = capsys.readouterr().err
    for reason in ("wrote to stderr", "end its last line with a semicolon", "raised ZeroDivisionError"):
        assert reason in said
    assert path.read_bytes() == before


@pytest.mark.slow
def test_an_announced_error_is_kept_without_its_traceback(tmp_path: Path) -> None:
    path = write(
        tmp_path / "raises.ipynb", "raise ValueError('scores must be finite')", tags=("raises-exception",)
    )
    assert refresh.refresh(path)
    output = notebooks.read(path).cells[1].outputs[0]
    assert output.traceback == ["ValueError: scores must be finite"]


def test_a_full_disk_leaves_the_notebook_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write(tmp_path / "chapter.ipynb", "x = 1")
    before = path.read_bytes()
    monkeypatch.setattr(refresh, "execute", lambda notebook, folder: [])
    monkeypatch.setattr(os, "fsync", fill)
    assert not refresh.refresh(path)
    assert "cannot be written: No space left on device." in capsys.readouterr().err
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["chapter.ipynb"]


def measured(source: str, said: str, measured: bool | str) -> NotebookNode:
    cell = new_code_cell(source, metadata={"course": {"measured": measured}})
    cell.outputs = [nbformat.v4.new_output("stream", text=said)]
    return cell


def test_a_measurement_stays_until_its_code_changes() -> None:
    old, now = measured("time()", "1 s", True), measured("time()", "2 s", True)
    refresh._keep(now, old, Agreement(measured=True))
    assert now.outputs == old.outputs
    code = now.metadata.course.measured
    changed = measured("time(2)", "3 s", code)
    refresh._keep(changed, now, Agreement(measured=True))
    assert changed.outputs[0].text == "3 s"
    assert changed.metadata.course.measured not in (True, code)


def test_generated_exercises_are_not_refreshed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not refresh.refresh(notebooks.GENERATED / "any.ipynb")
    assert "make exercises" in capsys.readouterr().err


def test_what_depends_on_the_run_is_dropped() -> None:
    cell = new_code_cell("1 + 1", execution_count=7)
    cell.metadata.update(execution={"time": "1"}, editable=True, tags=["twin:sum"], mystnb={"image": {}})
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a\n"),
        nbformat.v4.new_output("stream", name="stdout", text="b\n"),
        nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=7),
    ]
    notebook = new_notebook(cells=[cell], metadata={"course": {"covers": ["000:1"]}, "widgets": {}, "toc": 1})
    notebook = notebooks.normalise(notebook)
    assert dict(notebook.metadata) == {
        "kernelspec": notebooks.KERNEL,
        "language_info": {"name": "python"},
        "course": {"covers": ["000:1"]},
    }
    assert cell.execution_count is None
    assert dict(cell.metadata) == {"tags": ["twin:sum"], "mystnb": {"image": {}}}
    assert [output.get("text") for output in cell.outputs] == ["a\nb\n", None]
    assert cell.outputs[1].execution_count is None


def test_normalising_twice_changes_nothing() -> None:
    once = notebooks.normalise(new_notebook(cells=[new_code_cell("x = 1  \n\n", id="x")]))
    assert notebooks.to_text(once) == notebooks.to_text(notebooks.normalise(copy.deepcopy(once)))


def test_missing_ids_are_filled_in_the_same_way_every_time(tmp_path: Path) -> None:
    path = tmp_path / "old.ipynb"
    cell = '{"cell_type": "markdown", "metadata": {}, "source": ["same"]}'
    kept = '{"cell_type": "markdown", "id": "kept", "metadata": {}, "source": []}'
    path.write_text(
        f'{{"cells": [{cell}, {kept}, {cell}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 4}}'
    )
    ids = [cell.id for cell in notebooks.read(path).cells]
    assert ids == [cell.id for cell in notebooks.read(path).cells]
    assert ids[1] == "kept"
    assert len(set(ids)) == 3


@pytest.mark.parametrize(("course", "seconds"), [({}, 30), ({"trains": True}, 120)])
def test_the_budget_is_larger_for_a_chapter_that_trains(course: dict, seconds: int) -> None:
    assert refresh.budget_of(new_notebook(metadata={"course": course})) == seconds
