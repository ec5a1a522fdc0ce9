"""The built book as files: every page is there, it is light, and nothing in it comes from a network."""

from __future__ import annotations

import gzip
import importlib.util
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import notebooks
import pytest
import yaml
from build import build

ROOT = Path(__file__).resolve().parents[2]
PAGE_LIMIT = 400_000
SHARED_LIMIT = 1_500_000
LOADED = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*\bhref="([^"]+)"')


def toc_files() -> list[str]:
    """The pages that `_toc.yml` names, without suffixes, in order."""
    return re.findall(r"^\s*-?\s*(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text("utf8"), re.MULTILINE)


def gzipped(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


def pages(book: Path) -> list[Path]:
    return [book / f"{name}.html" for name in toc_files()]


def test_every_page_of_the_contents_is_built(book: Path) -> None:
    assert [page for page in pages(book) if not page.exists()] == []


def test_every_notebook_is_in_the_contents() -> None:
    found = {path.relative_to(ROOT).with_suffix("").as_posix() for path in notebooks.BOOK.rglob("*.ipynb")}
    assert {name for name in found if "/." not in name} <= set(toc_files())


def test_a_page_is_light(book: Path) -> None:
    sizes = {page.relative_to(book).as_posix(): gzipped(page) for page in book.glob("book/**/*.html")}
    assert {name: size for name, size in sizes.items() if size > PAGE_LIMIT} == {}


def test_what_all_pages_share_is_light(book: Path) -> None:
    """The scripts, styles and icons that pages load, once for all pages, compressed as a server would."""
    loaded = {
        (page.parent / reference.partition("?")[0]).resolve()
        for page in [*pages(book), book / "search.html"]
        for reference in references(page)
    }
    shared = [path for path in loaded if path.is_relative_to(book / "_static")] + [book / "searchindex.js"]
    sizes = {path.name: gzipped(path) for path in shared}
    assert sum(sizes.values()) < SHARED_LIMIT, sizes


def test_fonts_travel_as_data_with_their_licences(book: Path) -> None:
    style = (book / "_static" / "fonts.css").read_text("utf8")
    assert set(re.findall(r"url\(([\w:/]+)", style)) == {"data:font/woff2"}
    licences = (book / "_static" / "fonts-licence.txt").read_text("utf8")
    for name in (
        "Source Serif 4",
        "Source Sans 3",
        "Source Code Pro",
        "SIL OPEN FONT LICENSE",
        "Bitstream Vera",
    ):
        assert name in licences


def test_pages_load_nothing_from_a_network(book: Path) -> None:
    found = {
        f"{page.relative_to(book)}: {reference}"
        for page in book.rglob("*.html")
        for reference in references(page)
        if re.match(r"(https?:)?//", reference)
    }
    assert found == set()


def references(page: Path) -> list[str]:
    return [script or link for script, link in LOADED.findall(page.read_text("utf8"))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that can be built, with what an earlier build left."""
    (tmp_path / "_config.yml").touch()
    assert build(tmp_path, python("pathlib.Path('_build/html').mkdir()")) == 0
    return tmp_path


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import pathlib, time; {code}"]


def test_a_build_goes_on_from_a_complete_one(root: Path) -> None:
    assert build(root, python("assert pathlib.Path('_build/html').exists()")) == 0


@pytest.mark.parametrize("ending", ["raise SystemExit(1)", "raise KeyboardInterrupt"])
def test_a_build_after_one_that_was_broken_off_starts_from_nothing(root: Path, ending: str) -> None:
    assert build(root, python(ending)) != 0
    assert build(root, python("assert not pathlib.Path('_build/html').exists()")) == 0


def test_a_build_after_a_change_of_the_package_starts_from_nothing(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "module.py").touch()
    assert build(root, python("assert not pathlib.Path('_build/html').exists()")) == 0


def test_two_builds_at_once_run_one_after_the_other(root: Path) -> None:
    alone = python(
        "pathlib.Path('busy').touch(exist_ok=False); time.sleep(0.2); pathlib.Path('busy').unlink()"
    )
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(build, [root, root], [alone, alone])) == [0, 0]


@pytest.mark.parametrize("url", ["", "https://github.com/owner/name"])
def test_one_setting_turns_the_repository_buttons_on(url: str) -> None:
    spec = importlib.util.spec_from_file_location(
        "repository_buttons", ROOT / "tools" / "sphinx_ext" / "repository_buttons.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handlers = {}
    app = SimpleNamespace(connect=lambda event, handler, priority: handlers.update({event: handler}))
    module.setup(app)
    config = SimpleNamespace(html_theme_options={"repository_url": url})
    handlers["config-inited"](app, config)
    assert config.html_theme_options.get("use_edit_page_button", False) == bool(url)
    assert ("launch_buttons" in config.html_theme_options) == bool(url)


def test_the_repository_is_named_in_one_place() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    assert set(config["repository"]) == {"url", "branch", "path_to_book"}
    assert "launch_buttons" not in config
