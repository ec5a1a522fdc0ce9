"""The notebooks of the exercises: where they are, and what their cells say.

Notebooks are read as plain JSON: nothing here needs more than the standard library.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADING = re.compile(r"^##\s+Exercise\s+(\d+)\s+(★{1,3})\s+(.+?)\s*$", re.MULTILINE)
HINT = re.compile(
    r'<details class="hint">\s*<summary>(.*?)</summary>(.*?)</details>', re.DOTALL
)
OTHER_HEADING = re.compile(r"^##?\s", re.MULTILINE)
CHECK = re.compile(
    r"""^check\(\s*["']([\w-]+)["']\s*,\s*(\d+)\s*,\s*(.+?)\s*,?\s*\)\s*$""",
    re.MULTILINE | re.DOTALL,
)


class Problem(Exception):
    """Something that a reader can put right; the text is one sentence for them."""


@dataclass(frozen=True)
class Section:
    """One exercise in a notebook.

    Attributes:
        number: The number in its heading; 0 for what stands before the first exercise.
        stars: How hard it is, 1 to 3.
        title: The rest of the heading.
        cells: Its cells, heading first.
    """

    number: int
    stars: int = 0
    title: str = ""
    cells: list[dict] = field(default_factory=list)

    @property
    def hints(self) -> list[str]:
        """The hints in order, as Markdown."""
        return [
            text.strip() for cell in self.cells for _, text in HINT.findall(source(cell))
        ]

    @property
    def check_cells(self) -> list[dict]:
        """The cells that call the grader."""
        return [cell for cell in self.cells if "check" in tags(cell)]

    @property
    def blank_cells(self) -> list[dict]:
        """The cells that a learner fills in."""
        return [cell for cell in self.cells if {"blank", "solution"} & set(tags(cell))]


def root() -> Path:
    """The folder with `exercises/` and `solutions/`.

    It is the one that the variable COURSE_NOTEBOOKS names, else the one installed with the package, else
    `book/` of the checkout.
    """
    if named := os.environ.get("COURSE_NOTEBOOKS"):
        return Path(named)
    installed = Path(__file__).parent / "notebooks"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "book"


def chapters() -> list[str]:
    """Names of the chapters that have exercises, in alphabetical order."""
    return sorted(path.stem for path in (root() / "exercises").glob("*.ipynb"))


def chapters_in_order() -> list[str]:
    """Names of the chapters that have exercises, in the order of the book; those it lacks come last."""
    table = next(
        filter(Path.is_file, (root() / "_toc.yml", root().parent / "_toc.yml")), None
    )
    order = re.findall(r"/exercises/(\w+)", table.read_text("utf-8")) if table else []
    return sorted(
        chapters(), key=lambda name: order.index(name) if name in order else len(order)
    )


def exercises(chapter: str) -> Path:
    """The notebook with the blanks of a chapter.

    Raises:
        Problem: There is no such chapter.
    """
    if chapter not in chapters():
        known = chapters()
        near = difflib.get_close_matches(chapter, known, n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]}?" if near else "."
        raise Problem(
            f"There is no chapter called {chapter!r}{guess} Chapters: {', '.join(known) or 'none yet'}."
        )
    return root() / "exercises" / f"{chapter}.ipynb"


def read(path: Path) -> dict:
    """The notebook in a file.

    Raises:
        Problem: There is no such file, or it is not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read ({type(error).__name__}).") from None
    except (ValueError, RecursionError):
        raise Problem(f"{path} is broken: it is not valid JSON. {_remedy(path)}") from None
    if not _is_notebook(notebook):
        raise Problem(f"{path} is not a Jupyter notebook of version 4. {_remedy(path)}")
    return notebook


def _remedy(path: Path) -> str:
    """How a learner goes on after a broken file."""
    name = path.stem if path.stem in chapters() else "NAME"
    return (
        f"`course start {name} --force` starts anew and keeps a backup of the broken file."
    )


def _is_notebook(notebook: Any) -> bool:
    if not isinstance(notebook, dict) or notebook.get("nbformat", 4) != 4:
        return False
    cells = notebook.get("cells")
    return isinstance(cells, list) and all(
        isinstance(cell, dict) and "cell_type" in cell for cell in cells
    )


def text(notebook: dict) -> str:
    """A notebook as the text of its file; equal notebooks give equal text."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def source(cell: dict) -> str:
    """The source of a cell as one string, whichever way the file stores it."""
    lines = cell.get("source", "")
    return lines if isinstance(lines, str) else "".join(map(str, lines))


def tags(cell: dict) -> list[str]:
    """The tags of a cell."""
    metadata = cell.get("metadata")
    found = metadata.get("tags") if isinstance(metadata, dict) else None
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def chapter_of(notebook: dict) -> str | None:
    """The chapter whose exercises a notebook holds, from its metadata."""
    metadata = notebook.get("metadata")
    course = metadata.get("course") if isinstance(metadata, dict) else None
    chapter = course.get("exercises") if isinstance(course, dict) else None
    return chapter if isinstance(chapter, str) else None


def learner_chapter(notebook: dict, path: Path) -> str | None:
    """The chapter whose exercises a learner did in `path`, also where a program dropped the metadata."""
    if chapter := chapter_of(notebook):
        return chapter
    chapter = path.stem
    if (
        chapter not in chapters()
        or path.resolve().parent == (root() / "solutions").resolve()
    ):
        return None
    wanted = [
        cell for part in sections(read(exercises(chapter))) for cell in part.check_cells
    ]
    ids, sources = {cell["id"] for cell in wanted}, {source(cell) for cell in wanted}
    known = (cell.get("id") in ids or source(cell) in sources for cell in notebook["cells"])
    return chapter if any(known) else None


def sections(notebook: dict) -> list[Section]:
    """The notebook cut at its headings of the first two levels; what is no exercise has the number 0."""
    found = [Section(0)]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            if heading := HEADING.search(source(cell)):
                found.append(Section(int(heading[1]), len(heading[2]), heading[3]))
            elif OTHER_HEADING.search(source(cell)):
                found.append(Section(0))
        found[-1].cells.append(cell)
    return [part for part in found if part.cells]


def section(notebook: dict, chapter: str, number: int) -> Section:
    """One exercise of a chapter's notebook.

    Raises:
        Problem: The chapter has no such exercise.
    """
    known = {part.number: part for part in sections(notebook) if part.number}
    if number not in known:
        raise Problem(
            f"Chapter {chapter!r} has no exercise {number}; it has exercises 1 to {max(known, default=0)}."
        )
    return known[number]
