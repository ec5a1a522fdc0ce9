"""Fold the parts of the book in the sidebar: only the part that is read stands open."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", _wrap, priority=900)  # after the theme has put its functions there
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _wrap(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if toctree := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda kind, **options: fold(toctree(kind, **options))


def fold(sidebar: str) -> str:
    """The sidebar with each caption and the list below it in a `<details>`."""
    soup = BeautifulSoup(str(sidebar), "html.parser")
    for caption in soup.select("p.caption"):
        chapters = caption.find_next_sibling("ul")
        part = soup.new_tag("details", attrs={"class": "part"})
        if "current" in chapters.get("class", []):
            part["open"] = "open"
        summary = soup.new_tag("summary")
        toggle = BeautifulSoup('<i class="fa-solid fa-chevron-down"></i>', "html.parser")
        caption.replace_with(part)
        summary.extend([caption, toggle])
        part.extend([summary, chapters.extract()])
    return str(soup)
