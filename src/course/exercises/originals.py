"""What learners start from, made from the solutions: an edit in its file reaches no one else."""

from __future__ import annotations

from pathlib import Path

from course import files
from course.exercises.faults import faults
from course.exercises.generate import frame, generate
from course.exercises.notebooks import (
    Problem,
    chapters,
    exercises,
    read,
    root,
    source,
    tags,
    text,
)


def original(chapter: str) -> dict:
    """The notebook with the blanks of a chapter, whatever someone wrote into its file.

    Raises:
        Problem: There is no such chapter.
    """
    path, solutions = exercises(chapter), _solution(chapter)
    return generate(read(solutions), chapter) if solutions.exists() else read(path)


def frames(chapter: str) -> dict[str, str]:
    """The code around the blanks of a chapter, by the ids of their cells."""
    solutions = _solution(chapter)
    cells = read(solutions)["cells"] if solutions.exists() else []
    return {cell["id"]: frame(source(cell)) for cell in cells if "solution" in tags(cell)}


def refuse_original(path: Path) -> None:
    """Say where to work instead, if `path` is an original.

    Raises:
        Problem: It is one.
    """
    if path.resolve().parent != (root() / "exercises").resolve():
        return
    chapter, kept = path.stem, ""
    if chapter in solution_chapters() and not _is_fresh(chapter):
        kept = f" (or copy the file to work/{path.name} yourself, to keep what was written in it)"
    raise Problem(
        f"{path} is where everyone starts and is not checked: "
        f"`course start {chapter}` makes your copy in work/{kept}."
    )


def stale() -> list[str]:
    """Names of exercise notebooks that differ from what their solutions give, or have no solutions."""
    wanted = {path.stem for path in _solutions()}
    old = [chapter for chapter in wanted if not _is_fresh(chapter)]
    return sorted(old + [chapter for chapter in chapters() if chapter not in wanted])


def write(chapter: str) -> bool:
    """Write the exercises of a chapter; say whether the file changed.

    Raises:
        Problem: The solutions break a rule of :func:`faults`.
    """
    found = faults(read(_solution(chapter)), chapter)
    if found:
        raise Problem("\n".join(found))
    if _is_fresh(chapter):
        return False
    files.write(_target(chapter), _wanted(chapter))
    return True


def solution_chapters() -> list[str]:
    """Names of the chapters that have solutions."""
    return [path.stem for path in _solutions()]


def _solution(chapter: str) -> Path:
    return root() / "solutions" / f"{chapter}.ipynb"


def _target(chapter: str) -> Path:
    return root() / "exercises" / f"{chapter}.ipynb"


def _solutions() -> list[Path]:
    return sorted((root() / "solutions").glob("*.ipynb"))


def _wanted(chapter: str) -> str:
    return text(generate(read(_solution(chapter)), chapter))


def _is_fresh(chapter: str) -> bool:
    target = _target(chapter)
    return target.exists() and target.read_text(encoding="utf-8") == _wanted(chapter)
