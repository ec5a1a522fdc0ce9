"""What is committed: small, in the stored form, and free of one machine's paths."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
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


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A copy that was downloaded, so without git: files to keep, and one in each place that git ignores."""
    root = tmp_path / "Kurs 注意力"
    root.mkdir()
    for name in (".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    ignored = (ROOT / ".gitignore").read_text("utf8").split()
    folders = [name.strip("/").replace("*", "made") for name in ignored if name.endswith("/")]
    for folder in ("src", "book/work", "book/work/注意", *folders, "book/__pycache__"):
        (root / folder).mkdir(parents=True)
        (root / folder / "made.py").write_text("x = 1\n", "utf8")
    (root / "src" / "made.pyc").touch()
    return root


def test_what_is_committed_is_found_without_git(archive: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git to compare with")
    found = size.committed(archive)
    subprocess.run(["git", "init", "--quiet"], cwd=archive, check=True)
    command = ["git", "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=archive, check=True, capture_output=True, text=True, encoding="utf8")
    assert found == sorted(archive / name for name in listed.stdout.split("\0") if name)
    assert found == size.committed(archive)


def test_without_git_ruff_looks_at_what_is_committed(archive: Path) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--show-files", "."]
    shown = subprocess.run(command, cwd=archive, check=True, capture_output=True, text=True, encoding="utf8")
    code = [str(path) for path in size.committed(archive) if path.suffix in (".py", ".toml")]
    assert sorted(shown.stdout.splitlines()) == code


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
