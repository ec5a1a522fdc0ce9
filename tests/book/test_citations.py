"""The bibliography is complete: every key that is cited exists, every entry is used and can be found."""

from __future__ import annotations

import re

import pytest
from pybtex.database import Entry, parse_file

from book import ROOT, page

ENTRIES = dict(parse_file(ROOT / "book" / "references.bib").entries)
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
ARXIV = re.compile(r"\d{4}\.\d{4,5}")


def cited() -> dict[str, list[str]]:
    """Map each key that is cited to the pages that cite it."""
    found: dict[str, list[str]] = {}
    for name in page_names():
        for cell in page(ROOT, name).of_kind("markdown"):
            for keys in CITATION.findall(cell.source):
                for key in keys.split(","):
                    found.setdefault(key.strip(), []).append(name)
    return found


def page_names() -> list[str]:
    """All pages on disk, also those that the table of contents does not list."""
    paths = (path.relative_to(ROOT / "book") for path in (ROOT / "book").rglob("*"))
    visible = (path for path in paths if not any(part.startswith((".", "_")) for part in path.parts))
    return sorted(path.with_suffix("").as_posix() for path in visible if path.suffix in (".md", ".ipynb"))


def test_every_citation_has_an_entry() -> None:
    assert {key: names for key, names in cited().items() if key not in ENTRIES} == {}


def test_every_entry_is_cited_or_marked_as_further_reading() -> None:
    used = cited()
    further = {key for key, entry in ENTRIES.items() if entry.fields.get("keywords") == "further"}
    assert set(ENTRIES) - set(used) - further == set()


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_says_who_what_when_and_where(key: str) -> None:
    entry: Entry = ENTRIES[key]
    assert entry.persons.get("author")
    assert entry.fields["title"]
    year = entry.fields["year"]
    assert re.fullmatch(r"(19|20)\d\d", year)
    assert key == key.lower()
    assert year in key, "a key is the first author's name and the year"
    assert {"doi", "url", "eprint"} & set(entry.fields)
    if "eprint" in entry.fields:
        assert entry.fields["archiveprefix"] == "arXiv"
        assert ARXIV.fullmatch(entry.fields["eprint"])
    if "doi" in entry.fields:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", entry.fields["doi"])


def test_no_work_stands_there_twice() -> None:
    for field in ("doi", "eprint", "title"):
        values = [entry.fields[field].lower() for entry in ENTRIES.values() if field in entry.fields]
        assert len(values) == len(set(values))
