"""The built book as a reader meets it, in Chromium: every page, wide and narrow, light and dark."""

from __future__ import annotations

import html
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urlsplit

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TOC = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text("utf8"))
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
READABLE = 4.5
TAG = re.compile(r"<[a-z][^<>]*>", re.DOTALL)
PROBES = Path(__file__).with_name("probes.js")


def tags(text: str) -> list[str]:
    """The tags of a page, without what its scripts say."""
    return TAG.findall(re.sub(r"(<script[^>]*>).*?</script>", r"\1", text, flags=re.DOTALL))


def values(tags: list[str], *names: str) -> set[str]:
    """The values that tags give to attributes."""
    attribute = re.compile(rf' (?:{"|".join(names)})="([^"]*)"')
    return {html.unescape(value) for tag in tags for value in attribute.findall(tag)}


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
        page.evaluate("probes.settle()")
        seen[name] = page.evaluate(f"probes.desk({READABLE})")
        page.set_viewport_size(PHONE)
        seen[name] |= page.evaluate("probes.phone()") | {"noise": list(noise)}
        page.goto("about:blank")  # a page that is left need not be laid out again
        page.set_viewport_size(DESK)
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
        ("scrolling", "code, a formula or a table that scrolls sideways on a desk"),
        ("uncued", "cut on a phone with no shaded edge, or not to be scrolled"),
        ("hiddenNumbers", "numbers of formulas that a phone does not show"),
        ("poorFigures", "figures not drawn, without a description or without a caption"),
    ],
)
def test_no_page_has(visits: dict[str, dict], what: str, meaning: str) -> None:
    assert {name: seen[what] for name, seen in visits.items() if seen[what]} == {}, meaning


def test_no_internal_link_is_broken(book: Path) -> None:
    pages = [path for path in book.rglob("*.html") if "_static" not in path.parts]
    read = {path: tags(path.read_text("utf8")) for path in pages}
    anchors = {path: values(read[path], "id", "name") for path in pages}
    broken = set()
    for path in pages:
        for link in values(read[path], "href", "src"):
            address, anchor = urldefrag(link)
            if urlsplit(address).scheme:
                continue
            file = unquote(urlsplit(address).path)
            target = Path(os.path.normpath(path.parent / file)) if file else path
            known = anchors.get(target)
            if not target.exists() or (anchor and known is not None and unquote(anchor) not in known):
                broken.add(f"{path.relative_to(book)}: {link}")
    assert broken == set()


@pytest.mark.parametrize(
    ("query", "chapter"),
    [
        ("softmax", "book/attention/softmax"),
        ("flash attention", "book/efficiency/flash_attention"),
        ("rotary", "book/positions/rotary"),
        ("masks", "book/attention/masks"),
        ("Scaled dot-product attention", "book/attention/scaled_dot_product"),
    ],
)
def test_search_finds_the_chapter_first(page, site: str, query: str, chapter: str) -> None:
    # The text below each result is fetched from its page, which takes longer than all the rest.
    page.route(
        "**/*", lambda route: route.abort() if route.request.resource_type == "fetch" else route.continue_()
    )
    page.goto(f"{site}search.html?q={quote(query)}")
    page.wait_for_selector("#search-results li a", timeout=15_000)
    assert page.locator("#search-results li a").first.get_attribute("href").startswith(f"{chapter}.html")


def test_the_book_brings_its_own_fonts(visits: dict[str, dict], page, site: str) -> None:
    """Each character of each page, in the fonts asked for there, comes from a font of the book."""
    used: dict[str, set[str]] = {}
    for seen in visits.values():
        for family, characters in seen["characters"].items():
            used.setdefault(family, set()).update(characters)
    page.goto(f"{site}{TOC[0]}.html")
    devtools = page.context.new_cdp_session(page)
    devtools.send("DOM.enable")
    devtools.send("CSS.enable")
    foreign = {}
    for family, characters in used.items():
        page.evaluate("probes.write", [family, "".join(sorted(characters))])
        root = devtools.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
        node = devtools.send("DOM.querySelector", {"nodeId": root, "selector": "#specimen"})["nodeId"]
        fonts = devtools.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        foreign[family] = [font["familyName"] for font in fonts if not font["isCustomFont"]]
    assert len(used) >= 3
    assert {family: names for family, names in foreign.items() if names} == {}


def test_formulas_have_the_same_width_on_a_machine_with_other_fonts(page, site: str) -> None:
    """In em of the text; without the book's fonts the text around them falls back to what the machine has."""
    chapter = f"{site}book/attention/scaled_dot_product.html"
    widths = []
    for serif in ("Course Serif", "monospace"):
        page.route("**/course.css*", lambda route, serif=serif: other_serif(route, serif))
        page.goto(chapter)
        page.evaluate("probes.settle()")
        widths.append(page.evaluate("probes.widths()"))
        page.unroute_all()
    ours, theirs = widths
    assert len(ours) > 100
    assert [formula for formula, _ in theirs] == [formula for formula, _ in ours]
    assert [em for _, em in theirs] == pytest.approx([em for _, em in ours], abs=0.01)


def other_serif(route, name: str) -> None:
    """The style sheet of the book as a machine would see it whose serif is `name`."""
    response = route.fetch()
    text = response.text()
    assert '"Course Serif"' in text
    route.fulfill(response=response, body=text.replace('"Course Serif"', f'"{name}", {name}'))


def test_an_edge_is_shaded_where_more_is_to_come(page, site: str) -> None:
    """Pixels of the box itself: of both edges the one with more behind it differs from the ground."""
    page.set_viewport_size(PHONE)
    page.goto(f"{site}book/exercises/softmax.html")
    page.evaluate("probes.settle()")
    box = page.locator("div.cell_input pre").first
    for theme in ("light", "dark"):
        page.evaluate(f"probes.choose('{theme}')")
        box.evaluate("(node) => (node.scrollLeft = 0)")
        assert edges(box) == (False, True)
        box.evaluate("(node) => (node.scrollLeft = node.scrollWidth)")
        assert edges(box) == (True, False)


def edges(box) -> tuple[bool, bool]:
    """Whether the left and the right edge of a box are shaded, seen in its empty line at the top."""
    with Image.open(io.BytesIO(box.screenshot())) as image:
        ground, left, right = (image.convert("L").getpixel((x, 3)) for x in (150, 2, image.width - 3))
    return abs(left - ground) > 20, abs(right - ground) > 20


def test_paper_is_white(page, site: str) -> None:
    """Printed from a dark system: dark ink on white, without what helps only on a screen."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}book/attention/softmax.html")
    page.evaluate("probes.settle()")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function(f"{theme} === 'light'")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.evaluate(f"probes.faint({READABLE})") == {}
    ink = page.evaluate("getComputedStyle(document.querySelector('.bd-article svg g')).fill")
    assert max(int(part) for part in re.findall(r"\d+", ink)) < 80
    for part in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-area"):
        assert not page.locator(part).first.is_visible(), part
    assert page.evaluate("probes.scrolling().map(probes.outline)") == []
    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_function(f"{theme} === 'dark'")


def test_the_sidebar_is_folded(page, site: str) -> None:
    """Open are the part that is read and no other; solutions are one entry, which opens."""
    page.goto(f"{site}book/attention/softmax.html")
    sidebar = page.locator(".bd-sidebar-primary")
    parts = sidebar.locator("details.part")
    assert [part.get_attribute("open") is not None for part in parts.all()] == [True] + [False] * (
        parts.count() - 1
    )
    parts.last.locator("> summary").click()
    solutions = sidebar.locator("li:has(> a[href='../solutions/index.html'])")
    softmax = solutions.locator("a[href='../solutions/softmax.html']")
    assert solutions.is_visible()
    assert not softmax.is_visible()
    solutions.locator(".toctree-toggle").click()
    assert softmax.is_visible()


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


def test_formulas_and_fonts_show_from_disk(page, book: Path) -> None:
    """Opened as a file, with no server."""
    noise = listen(page, "file:")
    name = next(name for name in TOC if 'class="math' in (book / f"{name}.html").read_text("utf8"))
    page.goto((book / f"{name}.html").as_uri())
    page.evaluate("probes.settle()")
    assert page.evaluate("probes.unreadMath()") == []
    loaded = page.evaluate(
        "[...document.fonts].filter((each) => each.status === 'loaded').map((each) => each.family)"
    )
    assert {"Course Serif", "Course Sans"} <= {family.strip('"') for family in loaded}
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
