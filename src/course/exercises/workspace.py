"""The learner's own notebooks: start one, restore one, never lose one."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path

from course import files
from course.exercises.notebooks import (
    Problem,
    chapters,
    learner_chapter,
    read,
    root,
    section,
    text,
)
from course.exercises.originals import original

FOLDER = Path("work")
HERE = Path(".")


def folder() -> Path:
    """Where the learner's notebooks lie: in work/, or here if the command runs inside that folder."""
    here = not any(FOLDER.glob("*.ipynb")) and any(map(_is_learners, HERE.glob("*.ipynb")))
    return HERE if here else FOLDER


def notebook(chapter: str) -> Path:
    """Where a learner's notebook of a chapter lies, or would lie."""
    inside, here = FOLDER / f"{chapter}.ipynb", HERE / f"{chapter}.ipynb"
    if not inside.exists() and here.exists() and _is_learners(here):
        return here
    return folder() / f"{chapter}.ipynb"


def started() -> list[Path]:
    """The learner's notebooks, backups left out."""
    home = folder()
    found = sorted(path for path in home.glob("*.ipynb") if ".backup-" not in path.name)
    return [path for path in found if home == FOLDER or _is_learners(path)]


def _is_learners(path: Path) -> bool:
    """Whether a notebook outside work/ is a learner's: the book's own have the same names."""
    if path.resolve().is_relative_to(root().resolve()):
        return False
    try:
        return learner_chapter(read(path), path) is not None
    except Problem:
        return path.stem in chapters()


def alone() -> contextlib.AbstractContextManager[None]:
    """Let one command at a time change the learner's files."""
    return files.alone(folder() / ".lock")


def start(chapter: str, force: bool = False) -> tuple[Path, Path | None]:
    """Copy the exercises of a chapter for a learner.

    Args:
        chapter: The chapter.
        force: Whether to start anew where a notebook exists already.

    Returns:
        The notebook, and the backup of the one that it replaced, if any.

    Raises:
        Problem: There is no such chapter, or the notebook exists and `force` is off.
        NotWritten: The disk is full, or the folder may not be written.
    """
    fresh, target = text(original(chapter)), notebook(chapter)
    with alone():
        if target.exists() and not force:
            raise Problem(
                f"{target} exists already; `course start {chapter} --force` starts anew and keeps a backup."
            )
        saved = back_up(target) if target.exists() else None
        files.write(target, fresh)
    return target, saved


def reset(chapter: str, number: int) -> tuple[Path, Path]:
    """Restore the given cells of one exercise, its blank and its check cell among them.

    Returns:
        The notebook and the backup of what it was.

    Raises:
        Problem: There is no such chapter, exercise or notebook, or it is broken.
        NotWritten: The disk is full, or the folder may not be written.
    """
    reference = original(chapter)
    wanted = section(reference, chapter, number).cells
    target = notebook(chapter)
    if not target.exists():
        raise Problem(f"{target} does not exist; `course start {chapter}` makes it.")
    with alone():
        learner = read(target)
        learner["cells"] = _restored(learner["cells"], reference["cells"], wanted)
        saved = back_up(target)
        files.write(target, text(learner))
    return target, saved


def back_up(path: Path) -> Path:
    """Copy a notebook to the first free name of the form ``NAME.backup-1.ipynb``."""
    number = 1
    while (target := path.with_name(f"{path.stem}.backup-{number}.ipynb")).exists():
        number += 1
    files.write(target, path.read_bytes())
    return target


def _restored(cells: list[dict], given: list[dict], wanted: list[dict]) -> list[dict]:
    """`cells` with those of `wanted` as they were; one that is gone comes back after what it followed."""
    names = [cell["id"] for cell in given]
    result = list(cells)
    for cell in wanted:
        places = [i for i, old in enumerate(result) if old.get("id") == cell["id"]]
        if places:
            result[places[0]] = copy.deepcopy(cell)
            result = [old for i, old in enumerate(result) if i not in places[1:]]
            continue
        before = names[: names.index(cell["id"])]
        after = [i for i, old in enumerate(result) if old.get("id") in before]
        result.insert(max(after, default=-1) + 1, copy.deepcopy(cell))
    return result
