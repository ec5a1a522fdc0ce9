"""The attention explorer in a real browser."""

from __future__ import annotations

import re

import pytest
import torch
from explored import TOKENS

from course.viz import explorer


class Reader:
    """Someone who looks at a page of a saved explorer."""

    def __init__(self, page, explorer_index=0):
        self.page = page
        self.root = page.locator(".course-explorer").nth(explorer_index)
        self.queries = self.root.get_by_role("radiogroup", name="query")
        self.heads = self.root.get_by_role("radiogroup", name="head")

    def query(self, i):
        return self.queries.get_by_role("radio").nth(i)

    def head(self, i):
        return self.heads.get_by_role("radio").nth(i)

    def numbers(self):
        return [float(text) for text in self.root.locator(".number").all_text_contents()]

    def widths(self):
        """The lengths of the bars as fractions of their tracks."""
        styles = self.root.locator(".track i").evaluate_all("bars => bars.map((bar) => bar.style.width)")
        return [float(style.removesuffix("%")) / 100 for style in styles]

    def chosen(self):
        group = self.queries.get_by_role("radio")
        return group.evaluate_all("all => all.findIndex((one) => one.ariaChecked === 'true')")


@pytest.fixture
def reader(browser, weights, tmp_path):
    """The explorer in a page that allows no request and no error."""
    path = explorer(weights, TOKENS, title="Layer 1").save(tmp_path / "explorer.html")
    page = browser.new_page(viewport={"width": 1200, "height": 700})
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield Reader(page)
    page.close()
    assert complaints == []
    assert requests == [path.as_uri()]


def expect_weights(reader, expected):
    assert reader.numbers() == pytest.approx(expected.tolist(), abs=6e-4)
    assert reader.widths() == pytest.approx(expected.tolist(), abs=6e-4)


def test_the_first_query_is_shown_at_once(reader, weights):
    expect_weights(reader, weights[0, 0])
    assert not reader.root.locator("table").first.is_visible()


def test_pointing_at_a_query_shows_its_weights(reader, weights):
    reader.query(8).hover()
    expect_weights(reader, weights[0, 8])
    lines = reader.root.locator(".links path")
    widths = lines.evaluate_all("all => all.map((line) => parseFloat(line.style.strokeWidth))")
    assert widths == pytest.approx(
        [0.5 + 9 * w if w >= 5e-4 else 0 for w in weights[0, 8].tolist()], abs=0.01
    )


def test_tapping_a_query_shows_its_weights(browser, weights, tmp_path):
    path = explorer(weights, TOKENS, start=-1).save(tmp_path / "explorer.html")
    page = browser.new_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.goto(path.as_uri())
    reader = Reader(page)
    assert reader.chosen() == 11
    expect_weights(reader, weights[0, 11])
    reader.query(3).tap()
    expect_weights(reader, weights[0, 3])
    reader.head(2).tap()
    expect_weights(reader, weights[2, 3])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for i in (0, 11):
        assert reader.query(i).bounding_box()["height"] >= 24
    page.close()


def test_choosing_a_head(reader, weights):
    reader.query(5).click()
    reader.head(1).click()
    expect_weights(reader, weights[1, 5])
    assert reader.root.locator(".number").nth(6).text_content() == "0"  # masked, not only small
    reader.head(3).click()
    expect_weights(reader, torch.zeros(12))


def test_the_keyboard_moves_through_queries_and_heads(reader, weights):
    page = reader.page
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert reader.chosen() == 2
    expect_weights(reader, weights[0, 2])
    page.keyboard.press("ArrowUp")
    assert reader.chosen() == 1
    page.keyboard.press("End")
    assert reader.chosen() == 11
    page.keyboard.press("ArrowDown")
    assert reader.chosen() == 0
    outline = reader.query(0).locator("span").evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect_weights(reader, weights[1, 0])


def test_the_map_of_all_queries_chooses_too(reader, weights):
    box = reader.root.locator(".map").bounding_box()
    reader.page.mouse.click(box["x"] + 20, box["y"] + box["height"] * 7.5 / 12)
    expect_weights(reader, weights[0, 7])


def test_a_screen_reader_hears_the_largest_weights(reader, weights):
    reader.query(8).click()
    top = weights[0, 8].topk(3)
    said = reader.root.locator("[aria-live]").text_content()
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    assert said == "it: " + ", ".join(f"{TOKENS[i]} {w:.2f}" for i, w in pairs)


def test_several_on_one_page_do_not_disturb_each_other(browser, weights):
    same = explorer(weights, TOKENS)._repr_html_()
    other = explorer(weights[1, :3], TOKENS[:3], TOKENS, title="Other")._repr_html_()
    page = browser.new_page()
    page.set_content(same + same + other)
    first, second, third = (Reader(page, i) for i in range(3))
    second.query(4).hover()
    third.query(2).hover()
    expect_weights(first, weights[0, 0])
    expect_weights(second, weights[0, 4])
    expect_weights(third, weights[1, 2])
    page.close()


@pytest.mark.parametrize(
    ("markup", "scheme", "dark"),
    [
        ("<html>", "light", False),
        ("<html>", "dark", True),
        ("<html data-theme=dark>", "light", True),
        ("<html data-theme=light>", "dark", False),
        ("<html><body data-jp-theme-light=false>", "light", True),
        ("<html><body data-jp-theme-light=true>", "dark", False),
    ],
)
def test_the_theme_of_the_page_is_followed(browser, weights, markup, scheme, dark):
    page = browser.new_page(color_scheme=scheme)
    page.set_content(markup + explorer(weights, TOKENS)._repr_html_())
    colours = page.locator(".card").evaluate(
        "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
    )
    background, ink = (sum(int(part) for part in re.findall(r"\d+", colour)) for colour in colours)
    assert (background < ink) is dark
    page.close()


def test_less_motion_for_those_who_ask(browser, weights):
    page = browser.new_page(reduced_motion="reduce")
    page.set_content(explorer(weights, TOKENS)._repr_html_())
    bar = page.locator(".track i").first
    assert bar.evaluate("node => getComputedStyle(node).transitionDuration") in ("0s", "0ms")
    page.close()


def test_without_scripts_the_tables_are_seen(browser, weights):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(explorer(weights, TOKENS)._repr_html_())
    assert page.get_by_role("table").count() == 4
    assert page.get_by_role("cell").first.text_content() == f"{weights[0, 0, 0]:.3f}"
    context.close()
