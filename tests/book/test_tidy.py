"""After a visit of JupyterLab a notebook is what it was, but for what was written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import notebooks
import pytest
import tidy
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course.exercises import originals
from course.exercises.notebooks import text


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    """A chapter that is committed in the stored form, in a folder with spaces."""
    path = tmp_path / "my book" / "chapter.ipynb"
    path.parent.mkdir()
    cells = [
        new_markdown_cell("# Title", id="title"),
        new_code_cell("print(x)", id="one", outputs=[printed("0.1")], metadata={"tags": ["kept"]}),
        new_code_cell("print(y)", id="two", outputs=[printed("0.2")]),
    ]
    notebook = new_notebook(cells=cells, metadata={"course": {"covers": ["000:1"]}})
    path.write_text(notebooks.to_text(notebooks.normalise(notebook)), "utf8")
    git(path.parent, "init", "--quiet")
    git(path.parent, "add", ".")
    git(path.parent, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "a")
    return path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def printed(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text + "\n")


def edit(path: Path, change: Callable[[NotebookNode], None]) -> None:
    """Save a notebook as JupyterLab does, after a change."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info = {"name": "python", "version": "3.12.1", "file_extension": ".py"}
    change(notebook)
    for cell in notebook.cells:
        cell.metadata.editable = True
    nbformat.write(notebook, path)


def run(notebook: NotebookNode) -> None:
    """What running all cells leaves behind: counts, times, and outputs of another machine."""
    for count, cell in enumerate(notebook.cells[1:], 1):
        cell.execution_count = count
        cell.metadata.execution = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
        cell.outputs = [printed("0.1000001")]


def test_opening_and_saving_leaves_no_trace(chapter: Path) -> None:
    before = chapter.read_bytes()
    edit(chapter, lambda notebook: None)
    assert chapter.read_bytes() != before
    assert tidy.tidy(chapter) == "tidy again"
    assert chapter.read_bytes() == before
    assert tidy.tidy(chapter) == ""


def test_running_leaves_no_trace(chapter: Path) -> None:
    before = chapter.read_bytes()
    edit(chapter, run)
    tidy.tidy(chapter)
    assert chapter.read_bytes() == before


def test_cleared_outputs_come_back(chapter: Path) -> None:
    before = chapter.read_bytes()
    edit(chapter, lambda notebook: notebook.cells[1].update(outputs=[]))
    tidy.tidy(chapter)
    assert chapter.read_bytes() == before


def test_what_was_written_stays(chapter: Path) -> None:
    def write(notebook: NotebookNode) -> None:
        run(notebook)
        notebook.cells[0].source = "# Another title"

    before = chapter.read_text("utf8")
    edit(chapter, write)
    tidy.tidy(chapter)
    assert chapter.read_text("utf8") == before.replace("# Title", "# Another title")


def test_new_code_keeps_its_own_outputs(chapter: Path) -> None:
    def write(notebook: NotebookNode) -> None:
        run(notebook)
        notebook.cells[1].source = "print(x + 1)"

    edit(chapter, write)
    tidy.tidy(chapter)
    cells = notebooks.read(chapter).cells
    assert [cell.outputs[0].text for cell in cells[1:]] == ["0.1000001\n"] * 2
    assert cells[1].execution_count is None
    assert dict(cells[1].metadata) == {"tags": ["kept"]}


def test_new_outputs_of_a_refresh_are_no_trace_of_an_editor(chapter: Path) -> None:
    refreshed = chapter.read_text("utf8").replace("0.1", "0.3")
    chapter.write_text(refreshed, "utf8")
    assert tidy.tidy(chapter) == ""
    edit(chapter, lambda notebook: None)
    tidy.tidy(chapter)
    assert chapter.read_text("utf8") == refreshed


def test_without_git_the_form_comes_back(chapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = chapter.read_bytes()
    edit(chapter, lambda notebook: None)
    monkeypatch.setenv("PATH", "")
    tidy.tidy(chapter)
    assert chapter.read_bytes() == before


@pytest.fixture
def exercises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An exercise notebook that was opened and saved."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    monkeypatch.setattr(notebooks, "GENERATED", folder)
    path = folder / "softmax.ipynb"
    path.write_text(text(originals.original("softmax")), "utf8")
    edit(path, lambda notebook: None)
    return path


def test_an_exercise_that_was_run_is_as_it_was_generated(exercises: Path) -> None:
    tidy.tidy(exercises)
    assert exercises.read_text("utf8") == text(originals.original("softmax"))


def test_an_exercise_that_was_edited_is_left_alone(
    exercises: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(exercises, lambda notebook: notebook.cells[-1].update(source="my answer"))
    edited = exercises.read_bytes()
    assert tidy.main([str(exercises)]) == 0
    assert "it was edited, and is left as it is" in capsys.readouterr().out
    assert json.loads(exercises.read_bytes()) == json.loads(edited)
