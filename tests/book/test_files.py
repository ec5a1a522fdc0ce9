"""What is committed: small, in the stored form, and free of one machine's paths."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import notebooks
import pytest
import refresh
import size

ROOT = Path(__file__).resolve().parents[2]
PAGES = [pytest.param(path, id=path.relative_to(ROOT / "book").as_posix()) for path in notebooks.find()]
# Written so that this file does not contain what it forbids.
MACHINE = re.compile(r"(?<![\w.$~/-])/(?:home|root|Users|work|mnt|tmp)/[\w.-]+")
PRINTS = re.compile(r"^(?:print|(?:viz\.)?show)\(", re.MULTILINE)
CODE = {"", ".py", ".js", ".css", ".html", ".svg", ".cfg", ".toml", ".yml"}
TEXT = CODE | {".ipynb", ".md", ".txt", ".bib", ".cff", ".csv"}


def test_no_committed_file_is_large() -> None:
    assert list(size.too_large(size.committed())) == []


def test_no_figure_is_heavy() -> None:
    assert list(size.heavy_figures(notebooks.find())) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in size.committed():
        if path.suffix in TEXT:
            hits = MACHINE.findall(path.read_text("utf8"))
            found += [f"{path.relative_to(ROOT)}: {hit}" for hit in hits]
    assert found == []


@pytest.mark.parametrize("path", PAGES)
def test_notebook_is_in_the_stored_form(path: Path) -> None:
    assert refresh.check(path), f"make refresh NB={path.relative_to(ROOT)}"


@pytest.mark.parametrize("path", PAGES)
def test_a_notebook_with_results_holds_all_of_them(path: Path) -> None:
    """A cell that was added and never executed would leave a hole in the page."""
    cells = [cell for cell in notebooks.read(path).cells if cell.cell_type == "code" and cell.source]
    printing = [cell for cell in cells if PRINTS.search(cell.source)]
    assert [cell.id for cell in printing if not cell.outputs] == []


def test_a_newcomer_finds_what_it_is_how_to_change_it_and_how_to_cite_it() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "LICENSE", "LICENSE-text", "CITATION.cff"):
        assert (ROOT / name).stat().st_size > 200, name


def test_the_version_to_cite_is_the_version_of_the_package() -> None:
    version = runpy.run_path(str(ROOT / "src" / "course" / "__init__.py"))["__version__"]
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text("utf8")
