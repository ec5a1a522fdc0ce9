"""Notebooks as files: where they are, and the one form in which they are stored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
GENERATED = BOOK / "exercises"

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CELL_KEYS = {"tags", "mystnb", "course"}
MAY_RAISE = "raises-exception"
SHOWN = ("execute_result", "display_data")
ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")


def find() -> list[Path]:
    """The notebooks that authors write, in a stable order: all of `book/` but the exercises."""
    paths = sorted(BOOK.rglob("*.ipynb"))
    return [p for p in paths if GENERATED not in p.parents and ".ipynb_checkpoints" not in p.parts]


def label(path: Path) -> str:
    """The path as it is written in messages: relative to the repository where possible."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def read(path: Path) -> NotebookNode:
    """Read a notebook and give ids to cells that lack one, the same ids every time."""
    raw = json.loads(path.read_text("utf8"))
    _add_ids(raw["cells"])
    raw["nbformat_minor"] = max(5, raw.get("nbformat_minor", 5))
    return nbformat.from_dict(_join_lines(raw))


def to_text(notebook: NotebookNode) -> str:
    """The bytes that are stored, as text."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Bring a notebook into the stored form; what depends on the run and not on the code goes."""
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    if "course" in notebook.metadata:
        metadata["course"] = notebook.metadata.course
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in CELL_KEYS and v})
        cell.pop("attachments", None)
        cell.source = cell.source.rstrip()
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_normalise_output(output) for output in _merge_streams(cell.outputs)]
    return notebook


def defects(notebook: NotebookNode) -> list[str]:
    """What must not be stored, cell by cell, in words."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [f"cell {cell.id} {defect}" for cell in cells for defect in _defects_of(cell)]


def _defects_of(cell: NotebookNode) -> Iterator[str]:
    shown = 0
    for output in cell.outputs:
        if output.output_type == "error" and MAY_RAISE not in cell.metadata.get("tags", []):
            yield f"raised {output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            yield f"wrote to stderr: {output.text.strip()}"
        if output.output_type in SHOWN:
            shown += 1
            if address := ADDRESS.search(output.data.get("text/plain", "")):
                yield f"shows an address, {address[0]}: end its last line with a semicolon"
    if "figure" in cell.metadata.get("mystnb", {}) and shown > 1:
        yield f"has a caption for one figure but shows {shown} things"


def _add_ids(cells: list[dict]) -> None:
    taken = {cell["id"] for cell in cells if "id" in cell}
    for cell in cells:
        if "id" in cell:
            continue
        text = cell["cell_type"] + "".join(cell["source"])
        digest = hashlib.sha256(text.encode()).hexdigest()
        repeats = (digest[:8] if n == 0 else f"{digest[:8]}-{n}" for n in range(len(cells) + 1))
        cell["id"] = next(name for name in repeats if name not in taken)
        taken.add(cell["id"])


def _join_lines(raw: dict) -> dict:
    return nbformat.v4.rwbase.rejoin_lines(nbformat.from_dict(raw))


def _merge_streams(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    merged: list[NotebookNode] = []
    for output in outputs:
        is_stream = output.output_type == "stream"
        if is_stream and merged and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def _normalise_output(output: NotebookNode) -> NotebookNode:
    if output.output_type == "execute_result":
        output.execution_count = None
    if output.output_type in SHOWN:
        output.metadata = NotebookNode()
        output.pop("transient", None)
    if output.output_type == "error":  # a traceback names files of this machine
        output.traceback = [f"{output.ename}: {output.evalue}"]
    return output
