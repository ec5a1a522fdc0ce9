import re
import xml.dom.minidom

import pytest

from course.viz.tiling import tiling

ROWS = [(i, j) for i in range(2) for j in range(3)]


def drawing(html):
    return re.search(r"<svg.*?</svg>", html, re.S)[0]


def test_every_tile_carries_its_number_and_lights_up_once():
    html = tiling({"rows": ROWS}, 2, 3)._repr_html_()
    assert re.findall(r"class=n>(\d+)<", html) == [str(k) for k in range(1, 7)]
    for k in range(6):
        assert len(re.findall(rf"@keyframes t\w+-{k}{{", html)) == 1
        # the tile, its block of keys and its block of queries
        assert len(re.findall(rf"animation-name:t\w+-{k}'", html)) == 3
    assert "KEY" not in html


def test_a_tile_that_is_never_visited_is_empty():
    html = tiling({"causal": [(0, 0), (1, 0), (1, 1)]}, 2, 2)._repr_html_()
    assert html.count("class=never") == 1
    assert html.count("class=n>") == 3


def test_it_needs_no_script_and_no_network_and_rests_on_paper():
    html = tiling({"rows": ROWS, "columns": sorted(ROWS, key=lambda t: t[::-1])}, 2, 3)._repr_html_()
    assert "<script" not in html
    assert "http" not in html
    assert "@media print" in html
    assert "prefers-reduced-motion" in html


def test_names_are_escaped_and_the_picture_is_described():
    html = tiling({"<b>": [(0, 0)]}, 1, 1)._repr_html_()
    assert "<b>" not in html
    assert "aria-label=" in html
    quoted = re.sub(r"(\w+)=([\w.-]+)(?=[ />])", r'\1="\2"', drawing(html))
    xml.dom.minidom.parseString(quoted)


def test_two_of_a_page_do_not_share_names():
    one, other = (tiling({"rows": ROWS[:n]}, 2, 3)._repr_html_() for n in (5, 6))
    keys = [re.search(r'<div class="(t\w+)"', html)[1] for html in (one, other)]
    assert len(set(keys)) == 2
    assert tiling({"rows": ROWS}, 2, 3)._repr_html_() == other


def test_text_names_the_orders():
    shown = tiling({"rows": ROWS}, 2, 3)
    assert repr(shown) == "Tiling(2 × 3; tiles visited: rows 6)"
    assert shown._repr_mimebundle_()["text/plain"] == repr(shown)


def test_refusals():
    with pytest.raises(ValueError, match="orders must name at least one order"):
        tiling({}, 2, 2)
    with pytest.raises(ValueError, match=r"'a' visits \(2, 0\), outside of 2 × 2 tiles"):
        tiling({"a": [(2, 0)]}, 2, 2)
    with pytest.raises(ValueError, match="'a' visits a tile twice"):
        tiling({"a": [(0, 0), (0, 0)]}, 2, 2)
