"""The outline of the sources, the plan of the book, and which page treats which heading."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from book import ROOT, Page


@dataclass(frozen=True)
class Heading:
    """A heading of a source document and the chapters that are to treat it."""

    document: str
    key: str
    level: int
    text: str
    chapters: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name by which chapters refer to it: ``000:3.1.2``."""
        return f"{self.document}:{self.key}"


def outline(root: Path = ROOT) -> list[Heading]:
    """Read all headings of the sources, in their order."""
    return [_heading(row) for row in _rows(root / "book/_data/outline.csv")]


def plan(root: Path = ROOT) -> dict[str, str]:
    """Read the planned chapters, each with its title."""
    return {row["chapter"]: row["title"] for row in _rows(root / "book/_data/plan.csv")}


def coverage(pages: Iterable[Page]) -> dict[str, list[str]]:
    """Map each heading's name to the pages that treat it."""
    found: dict[str, list[str]] = {}
    for page in pages:
        for name in page.covers:
            found.setdefault(name, []).append(page.name)
    return found


def problems(headings: Iterable[Heading], chapters: Iterable[str], pages: Iterable[Page]) -> list[str]:
    """Say what is wrong: a heading without a place, one that its chapter leaves out, one that is unknown."""
    headings, pages, chapters = list(headings), list(pages), set(chapters)
    covered = coverage(pages)
    present = {page.name for page in pages}
    names = {heading.name for heading in headings}
    unplanned = [
        f"{heading.name} is planned for {chapter!r}, which is no chapter of the plan"
        for heading in headings
        for chapter in heading.chapters
        if chapter not in chapters
    ]
    left_out = [
        f"{chapter} is planned to treat {heading.name} ({heading.text}), but does not list it under `covers`"
        for heading in headings
        for chapter in heading.chapters
        if chapter in present and chapter not in covered.get(heading.name, ())
    ]
    unknown = [
        f"{page.name} covers {name}, which no source has"
        for page in pages
        for name in page.covers
        if name not in names
    ]
    return unplanned + left_out + unknown


def _heading(row: dict[str, str]) -> Heading:
    chapters = tuple(row["chapter"].split(";"))
    return Heading(row["document"], row["key"], int(row["level"]), row["heading"], chapters)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))
