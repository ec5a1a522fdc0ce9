"""Every labelled equation has a cell that checks it, and the index of equations is that of today."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from appendices import EQUATIONS, appendices, equations_page
from equations import citations, equations, labelled, problems

from book import ROOT, Cell, Page, page, pages

MARKDOWN = r"""Some text with $a$ inline.

$$
a = b
$$

$$
c = \frac{d}{e}
$$ (first)

```python
price = "$$"  # $$ (not-a-label)
```

$$ f = g $$ (second)

```{math}
:label: third
h = i
```
"""
CHAPTER = Page(
    "attention/example",
    (
        Cell("markdown", MARKDOWN),
        Cell("code", "assert c == d / e", ("twin:first", "nbval-check-output")),
        Cell("code", "assert f == g and h == i", ("twin:second", "twin:third")),
    ),
)


def test_every_equation_has_a_twin() -> None:
    assert problems(pages()) == []


def test_docstrings_cite_equations_that_exist() -> None:
    labels = {equation.label for equation in equations(pages())}
    cited = citations(ROOT / "src" / "course")
    assert {label: symbols for label, symbols in cited.items() if label not in labels} == {}


def test_the_index_lists_every_equation_and_is_up_to_date() -> None:
    path = ROOT / "book" / f"{EQUATIONS}.md"
    text = path.read_text("utf8")
    assert text == appendices()[path], "run `make generated`"
    for equation in equations(pages()):
        assert f"{{eq}}`{equation.label}`" in text
        assert equation.tex in text
        assert all(twin.strip() in text for twin in equation.twins)


def test_labels_are_found_in_every_form_of_an_equation() -> None:
    assert list(labelled(MARKDOWN)) == [
        ("first", r"c = \frac{d}{e}"),
        ("second", "f = g"),
        ("third", "h = i"),
    ]


def test_a_complete_chapter_has_no_problems() -> None:
    assert problems([CHAPTER]) == []


@pytest.mark.parametrize("label", ["first", "second", "third"])
def test_an_equation_without_its_tag_is_found(label: str) -> None:
    cells = tuple(
        replace(cell, tags=tuple(tag for tag in cell.tags if tag != f"twin:{label}"))
        for cell in CHAPTER.cells
    )
    assert problems([replace(CHAPTER, cells=cells)]) == [
        f"attention/example: no cell is tagged twin:{label}",
    ]


def test_a_twin_of_nothing_is_found() -> None:
    text_only_in_another_chapter = Page("attention/other", (Cell("code", "assert True", ("twin:first",)),))
    (problem,) = problems([CHAPTER, text_only_in_another_chapter])
    assert problem.startswith("attention/other: a cell is tagged twin:first")


def test_a_label_used_twice_is_found() -> None:
    assert problems([CHAPTER, replace(CHAPTER, name="attention/again")]) == [
        f"{label} labels 2 equations" for label in ("first", "second", "third")
    ]


def test_tags_are_read_from_a_notebook_file(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"course": {"covers": ["000:1"]}})
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Title\n\n$$\na\n$$ (first)"),
        nbformat.v4.new_code_cell("assert a", metadata={"tags": ["twin:first"]}),
    ]
    (tmp_path / "book").mkdir()
    nbformat.write(notebook, tmp_path / "book" / "chapter.ipynb")
    chapter = page(tmp_path, "chapter")
    assert chapter.covers == ("000:1",)
    assert [(e.label, e.tex, e.twins) for e in equations([chapter])] == [("first", "a", ("assert a",))]


def test_symbols_are_named_as_they_are_imported(tmp_path: Path) -> None:
    package = tmp_path / "course" / "room"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from course.room.noun import public\n")
    (package / "noun.py").write_text(
        'def public():\n    """Equation :eq:`a-label`."""\n\n'
        'class Inner:\n    """Also :eq:`a-label`."""\n    def step(self):\n        """And :eq:`other`."""\n'
    )
    assert citations(tmp_path / "course") == {
        "a-label": ["course.room.public", "course.room.noun.Inner"],
        "other": ["course.room.noun.Inner.step"],
    }


def test_an_entry_holds_equation_code_and_twin() -> None:
    text = equations_page(equations([CHAPTER]), {"first": ["course.attention.attend"]}, {})
    assert "The book has 3 numbered equations." in text
    assert "Computed by {py:obj}`course.attention.attend`." in text
    assert "````{dropdown} Checked by\n```python\nassert c == d / e\n```\n````" in text
    assert "(first)" not in text  # a second label would be a duplicate


def test_the_command_says_whether_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "appendices.py"), "--check"]
    assert subprocess.run(command, capture_output=True).returncode == 0
