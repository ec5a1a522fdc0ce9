"""Take back what JupyterLab does to the file of a notebook that was opened or run; nothing is executed.

    python tools/tidy.py [NOTEBOOK ...]     all notebooks of the book if none is named

Execution counts, timestamps and the metadata of editors go. Where the code is that of the last commit, the
outputs of cells that were run are too. What was written stays.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
from nbformat import NotebookNode

from course.exercises import notebooks as exercises
from course.exercises import originals
from course.files import NotWritten, write


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tidy", description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    named = [path.resolve() for path in parser.parse_args(arguments).notebooks]
    try:
        for path in named or [*notebooks.find(), *sorted(notebooks.GENERATED.glob("*.ipynb"))]:
            if said := tidy(path):
                print(f"{notebooks.label(path)}: {said}")
    except NotWritten as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def tidy(path: Path) -> str:
    """Bring the file of a notebook into order; what was done, or nothing if it was in order."""
    found = notebooks.read(path)
    if path.is_relative_to(notebooks.GENERATED):
        original = originals.original(path.stem)
        if _sources(found.cells) != _sources(original["cells"]):
            return "it was edited, and is left as it is: `make exercises` makes it anew from its solutions"
        text = exercises.text(original)
    else:
        if stored := committed(path):
            take_back_outputs(found, stored)
        text = notebooks.to_text(notebooks.normalise(found))
    if text == path.read_text("utf8"):
        return ""
    write(path, text)
    return "tidy again"


def committed(path: Path) -> NotebookNode | None:
    """The notebook as it was last committed, if it was."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    try:
        shown = subprocess.run(command, cwd=path.parent, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, no history, a new file
        return None
    return nbformat.reads(shown.stdout.decode("utf8"), as_version=4)


def take_back_outputs(found: NotebookNode, stored: NotebookNode) -> None:
    """Give cells that were run or cleared the outputs that are stored, if all the code is the same."""
    ours, theirs = _code_cells(found), _code_cells(stored)
    if _sources(ours) != _sources(theirs):
        return
    for cell, old in zip(ours, theirs, strict=True):
        if cell.execution_count is not None or not cell.outputs:
            cell.outputs = old.outputs


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _sources(cells: list[dict]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], exercises.source(cell).rstrip()) for cell in cells]


if __name__ == "__main__":
    raise SystemExit(main())
