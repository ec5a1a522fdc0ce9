"""Every heading of the sources has its place in the book, and the map of the sources is that of today."""

from __future__ import annotations

import csv
import re
from collections import Counter

from appendices import SOURCES, appendices, sources_page
from outline import Heading, outline, plan, problems

from book import ROOT, Page, pages

HEADINGS = [
    Heading("000", "title", 1, "A document", ("attention/one",)),
    Heading("000", "1", 2, "Attention", ("attention/one", "attention/two")),
]
TITLES = {"attention/one": "Chapter one", "attention/two": "Chapter two"}


def covering(*names: str) -> Page:
    return Page("attention/one", (), {"course": {"covers": list(names)}})


def test_the_outline_has_every_heading_once() -> None:
    headings = outline()
    assert len(headings) == 411
    assert Counter(heading.document for heading in headings).keys() == {"000", "001", "002", "003", "004"}
    assert len({heading.name for heading in headings}) == len(headings)
    assert all(heading.text.isascii() and heading.text == heading.text.strip() for heading in headings)


def test_keys_are_numbers_or_slugs() -> None:
    assert all(re.fullmatch(r"\d(\.\d+)*|[a-z][a-z0-9]*(-[a-z0-9]+)*", heading.key) for heading in outline())


def test_numbered_headings_stand_below_their_section() -> None:
    names = {heading.name for heading in outline()}
    for heading in outline():
        if "." in heading.key:
            assert f"{heading.document}:{heading.key.rpartition('.')[0]}" in names


def test_every_heading_is_planned_and_covered_by_the_chapters_that_exist() -> None:
    assert problems(outline(), plan(), pages()) == []


def test_every_chapter_of_the_plan_treats_something() -> None:
    assert {chapter for heading in outline() for chapter in heading.chapters} == set(plan())


def test_the_plan_names_each_chapter_once() -> None:
    with (ROOT / "book" / "_data" / "plan.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(plan())
    assert all(row["title"] and row["part"] and row["chapter"].count("/") == 1 for row in rows)


def test_the_map_is_up_to_date() -> None:
    path = ROOT / "book" / f"{SOURCES}.md"
    assert path.read_text("utf8") == appendices()[path], "run `make generated`"


def test_a_heading_that_its_chapter_leaves_out_is_found() -> None:
    (problem,) = problems(HEADINGS, TITLES, [covering("000:title")])
    assert problem.startswith("attention/one is planned to treat 000:1 (Attention)")
    assert problems(HEADINGS, TITLES, [covering("000:title", "000:1")]) == []
    assert problems(HEADINGS, TITLES, []) == []


def test_a_heading_that_no_source_has_is_found() -> None:
    assert problems(HEADINGS, TITLES, [covering("000:title", "000:1", "000:2")]) == [
        "attention/one covers 000:2, which no source has"
    ]


def test_a_chapter_out_of_no_plan_is_found() -> None:
    assert problems([Heading("000", "1", 2, "Attention", ("attention/three",))], TITLES, []) == [
        "000:1 is planned for 'attention/three', which is no chapter of the plan"
    ]


def test_the_map_links_to_chapters_and_names_planned_ones() -> None:
    text = sources_page(HEADINGS, [covering("000:title", "000:1")], TITLES)
    assert "They have 2 headings in all. Of these 2 are treated" in text
    assert "|  | A document | {doc}`../attention/one` |" in text
    assert "| 1 | Attention | {doc}`../attention/one`; planned: Chapter two |" in text
    text = sources_page(HEADINGS, [], TITLES)
    assert "Of these 0 are treated" in text
    assert "planned: Chapter one, Chapter two |" in text
