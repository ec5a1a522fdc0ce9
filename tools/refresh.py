"""Execute notebooks again and store them in the one form, so that the same code gives the same bytes.

    python tools/refresh.py [NOTEBOOK ...]           execute and store; all notebooks if none is named
    python tools/refresh.py --check [NOTEBOOK ...]   execute nothing; fail if one is not in the stored form

A notebook that raises or that writes to stderr is refused and left as it is: a warning is a defect. An output
that agrees with the stored one (tools/agreement.py) stays as it is stored: another processor changes no byte.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import sys
import time
from pathlib import Path

import notebooks
from agreement import Agreement, settle
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from course.files import NotWritten, write

BUDGET = 30
BUDGET_OF_TRAINING = 120
LONGEST_CELL = 300

FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
"""What outputs must not depend on: the order of sets, and how many threads share a sum."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="refresh", description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--check", action="store_true", help="execute nothing, only look")
    options = parser.parse_args(arguments)
    paths = [path.resolve() for path in options.notebooks] or notebooks.find()
    task = check if options.check else refresh
    passed = [task(path) for path in paths]
    return 0 if all(passed) else 1


def refresh(path: Path) -> bool:
    """Execute one notebook and store it. False if it was refused or took longer than its budget."""
    if path.is_relative_to(notebooks.GENERATED):
        return _refuse(path, ["it is generated from its solutions: run `make exercises`"])
    notebook = notebooks.read(path)
    stored = copy.deepcopy(notebook)
    start = time.monotonic()
    stopped = execute(notebook, path.parent)
    seconds = time.monotonic() - start
    if defects := notebooks.defects(notebook) or stopped:
        return _refuse(path, defects)
    notebook = notebooks.normalise(notebook)
    for cell, old in zip(notebook.cells, stored.cells, strict=True):
        if cell.cell_type == "code":
            _keep(cell, old, Agreement.of(cell, notebook))
    text = notebooks.to_text(notebook)
    changed = text != path.read_text("utf8")
    if changed:
        try:
            write(path, text)
        except NotWritten as error:
            return _refuse(path, [str(error)])
    budget = budget_of(notebook)
    pace = "OVER ITS BUDGET of" if seconds > budget else "of"
    outcome = "changed" if changed else "same bytes"
    print(f"{notebooks.label(path)}: {seconds:.1f} s {pace} {budget} s, {outcome}", flush=True)
    return seconds <= budget


def _keep(cell: NotebookNode, old: NotebookNode, agreement: Agreement) -> None:
    """Keep what agrees, and what was measured for as long as the code is the one that measured it."""
    code = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
    if not agreement.measured or cell.metadata.course.measured in (True, code):
        cell.outputs = settle(cell.outputs, old.outputs, agreement)
    if agreement.measured:
        cell.metadata.course.measured = code


def check(path: Path) -> bool:
    """Whether the file is what `refresh` would store for the outputs that it holds."""
    notebook = notebooks.read(path)
    problems = notebooks.defects(notebook)
    if not problems and notebooks.to_text(notebooks.normalise(notebook)) != path.read_text("utf8"):
        problems = [f"it is not in the stored form: run `make tidy NB={notebooks.label(path)}`"]
    return not problems or _refuse(path, problems)


def execute(notebook: NotebookNode, folder: Path) -> list[str]:
    """Run all cells in place, in a fresh kernel that starts in `folder`; return what stopped the run."""
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL,
        kernel_name=notebooks.KERNEL["name"],
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute(env={**os.environ, **FIXED})
    except CellExecutionError as error:
        return [str(error)]
    return []


def budget_of(notebook: NotebookNode) -> int:
    """Seconds that a notebook may take on two cores, kernel start included."""
    return BUDGET_OF_TRAINING if notebook.metadata.get("course", {}).get("trains") else BUDGET


def _refuse(path: Path, reasons: list[str]) -> bool:
    for reason in reasons:
        print(f"{notebooks.label(path)}: refused, {reason}", file=sys.stderr)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
