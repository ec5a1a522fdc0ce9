"""The built book as a reader meets it, in Chromium: every page, wide and narrow, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOC = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text("utf8"))
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
READABLE = 4.5
PROBES = Path(__file__).with_name("probes.js")


class Links(HTMLParser):
    """The targets that a page offers and the links that it makes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := attributes.get(key))}
        link = attributes.get("src" if tag in ("img", "script") else "href")
        if link and tag in ("a", "img", "script", "link"):
            self.links.append(link)


@pytest.fixture
def page(browser, site: str) -> Iterator[object]:
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")
    context.add_init_script(path=PROBES)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def visits(browser, site: str) -> Iterator[dict[str, dict]]:
    """What was seen on each page of the contents: opened once on a desk, then looked at as on a phone."""
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")
    context.add_init_script(path=PROBES)
    page = context.new_page()
    noise = listen(page, site)
    seen = {}
    for name in TOC:
        noise.clear()
        page.goto(f"{site}{name}.html")
        seen[name] = look(page) | {"noise": list(noise)}
    yield seen
    context.close()


def listen(page, home: str) -> list[str]:
    """A list that fills with what should not happen: errors, failed requests, requests away from `home`."""
    noise: list[str] = []
    page.on("console", lambda m: noise.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("requestfailed", lambda request: noise.append(f"failed: {request.url}"))
    page.on("response", lambda r: noise.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    page.on(
        "request", lambda r: None if r.url.startswith((home, "data:")) else noise.append(f"left: {r.url}")
    )
    return noise


def look(page) -> dict[str, object]:
    page.set_viewport_size(DESK)
    page.evaluate("probes.settle()")
    seen = {name: page.evaluate(f"probes.{name}()") for name in ("unreadMath", "wideFormulas", "poorFigures")}
    seen["wide"] = page.evaluate("probes.stickingOut()")
    for theme in ("light", "dark"):
        page.evaluate(f"probes.choose('{theme}')")
        seen[theme] = page.evaluate(f"probes.faint({READABLE})")
        seen[f"{theme} figures"] = page.evaluate("probes.grounds()")
    page.set_viewport_size(PHONE)
    page.evaluate("probes.openEverything()")
    seen["narrow"] = page.evaluate("probes.stickingOut()")
    return seen


@pytest.mark.parametrize(
    ("what", "meaning"),
    [
        ("noise", "errors, failed requests, requests that leave the machine"),
        ("wide", "sticks out of a window of 1280 pixels"),
        ("narrow", "sticks out of a phone"),
        ("light", "text too faint to read"),
        ("dark", "text too faint to read in the dark theme"),
        ("light figures", "figures on a ground or under a filter of their own"),
        ("dark figures", "figures on a ground or under a filter of their own"),
        ("unreadMath", "formulas that were not rendered"),
        ("wideFormulas", "displayed formulas that are cut at the right"),
        ("poorFigures", "figures not drawn, without a description or without a caption"),
    ],
)
def test_no_page_has(visits: dict[str, dict], what: str, meaning: str) -> None:
    assert {name: seen[what] for name, seen in visits.items() if seen[what]} == {}, meaning


def test_no_internal_link_is_broken(book: Path) -> None:
    pages = [path for path in book.rglob("*.html") if "_static" not in path.parts]
    read = {path: Links(path.read_text("utf8")) for path in pages}
    broken = set()
    for path, parsed in read.items():
        for link in parsed.links:
            target, anchor = urldefrag(urljoin(path.as_uri(), link))
            if urlsplit(target).scheme != "file":
                continue
            file = Path(unquote(urlsplit(target).path))
            here = f"{path.relative_to(book)}: {link}"
            if not file.exists() or (anchor and file in read and unquote(anchor) not in read[file].anchors):
                broken.add(here)
    assert broken == set()


def test_search_finds_a_word(page, site: str) -> None:
    page.goto(f"{site}search.html?q=softmax")
    page.wait_for_selector("#search-results li a", timeout=15_000)


def test_the_reader_can_choose_the_dark_theme(page, site: str) -> None:
    page.goto(f"{site}{TOC[0]}.html")
    theme, ground = (
        "document.documentElement.dataset.theme",
        "getComputedStyle(document.body).backgroundColor",
    )
    page.evaluate("probes.choose('light')")
    light = page.evaluate(ground)
    for _ in range(3):  # the button goes round: automatic, light, dark
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate(theme) == "dark":
            break
    assert page.evaluate(theme) == "dark"
    assert page.evaluate(ground) != light


def test_hints_are_closed_and_open_on_a_click(page, site: str, book: Path) -> None:
    name = next((name for name in TOC if 'class="hint"' in (book / f"{name}.html").read_text("utf8")), None)
    if name is None:
        pytest.skip("no page has a hint")
    page.goto(f"{site}{name}.html")
    hint = page.locator("details.hint").first
    assert hint.get_attribute("open") is None
    hint.locator("summary").click()
    assert hint.locator(":scope > :not(summary)").first.is_visible()


def test_mathematics_shows_from_disk(page, book: Path) -> None:
    """Opened as a file, with no server."""
    noise = listen(page, "file:")
    name = next(name for name in TOC if 'class="math' in (book / f"{name}.html").read_text("utf8"))
    page.goto((book / f"{name}.html").as_uri())
    page.evaluate("probes.settle()")
    assert page.evaluate("probes.unreadMath()") == []
    assert noise == []


def test_search_finds_a_word_from_disk(page, book: Path) -> None:
    page.goto((book / "search.html").as_uri() + "?q=softmax")
    page.wait_for_selector("#search-results li a", timeout=15_000)


def test_icons_travel_with_the_pages(page, site: str) -> None:
    """An icon that is not in the small font would fetch the theme's large one, which a disk may refuse."""
    page.goto(f"{site}{TOC[0]}.html")
    page.evaluate("probes.settle()")
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if name.endswith((".woff2", ".ttf"))] == []
