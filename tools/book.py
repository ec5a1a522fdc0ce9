"""The book as data: its pages, in the order of the table of contents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cell:
    """A cell of a page: its type (``markdown`` or ``code``), its source, its tags."""

    kind: str
    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page of the book. Its name is its path under ``book/``, without a suffix: ``attention/softmax``."""

    name: str
    cells: tuple[Cell, ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def covers(self) -> tuple[str, ...]:
        """The headings of the sources that the page treats, such as ``000:3.1.2``."""
        return tuple(self.metadata.get("course", {}).get("covers", ()))

    def of_kind(self, kind: str) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == kind)


def pages(root: Path = ROOT, without: Collection[str] = ()) -> tuple[Page, ...]:
    """Read every page that ``_toc.yml`` lists, in its order, except those named in `without`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    return tuple(page(root, name) for name in _names(toc) if name not in without)


def page(root: Path, name: str) -> Page:
    """Read one page, a notebook or a Markdown file.

    Raises:
        FileNotFoundError: There is neither.
    """
    notebook = root / "book" / f"{name}.ipynb"
    if notebook.exists():
        content = nbformat.read(notebook, 4)
        cells = (Cell(c.cell_type, c.source, tuple(c.metadata.get("tags", ()))) for c in content.cells)
        return Page(name, tuple(cells), dict(content.metadata))
    metadata, text = _front_matter((root / "book" / f"{name}.md").read_text("utf8"))
    return Page(name, (Cell("markdown", text),), metadata)


def _names(entry: Any) -> list[str]:
    """The files of a part of the table of contents, depth first."""
    if isinstance(entry, list):
        return [name for part in entry for name in _names(part)]
    if not isinstance(entry, dict):
        return []
    own = [entry[key] for key in ("root", "file") if key in entry]
    names = [Path(name).with_suffix("").as_posix().removeprefix("book/") for name in own]
    return names + [name for value in entry.values() for name in _names(value)]


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    if not text.startswith("---\n"):
        return {}, text
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front) or {}, body
