"""The proofs in the errata hold: every piece of Python on the page runs."""

from __future__ import annotations

import re

import pytest

from book import ROOT

PAGE = (ROOT / "book" / "appendix" / "errata.md").read_text("utf8")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADER, *_ = PYTHON.findall(PAGE)
ENTRIES = {
    title.strip(): "\n".join(PYTHON.findall(entry))
    for title, _, entry in (part.partition("\n") for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:])
}


@pytest.mark.parametrize("title", [title for title, code in ENTRIES.items() if code])
def test_the_proof_runs(title: str) -> None:
    assert "assert " in ENTRIES[title]
    exec(HEADER + ENTRIES[title], {})


@pytest.mark.parametrize("title", ENTRIES)
def test_an_entry_says_where_what_and_what_is_right(title: str) -> None:
    entry = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]
    positions = [entry.find(part) for part in ("**Where.**", "**It says**", "**Right.**")]
    assert -1 not in positions
    assert positions == sorted(positions)
