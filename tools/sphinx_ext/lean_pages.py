"""Make pages light: leave out what this book never uses.

Jupyter Book always loads sphinx-thebe, whose start-up code names a script on the network, and
sphinx-togglebutton, whose work `<details>` does here. The theme draws its icons with a script of 1.5 MB, left
out by `_templates/static`; its style sheet can draw them from a font as well (see fonts.py).
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

UNUSED = {"sphinx_thebe", "sphinx_togglebutton"}
TOOL_COMMENT = re.compile(r"[ ]*# (?:noqa|fmt:|type: ignore).*$", re.MULTILINE)
UNUSED_FILES = {"sphinx-thebe.css", "togglebutton.css", "togglebutton.js"}


def setup(app: Sphinx) -> dict[str, Any]:
    # Local extensions are loaded last: what the unused ones have registered is there to be removed.
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if each.handler.__module__.partition(".")[0] not in UNUSED]
    for files in (app.registry.css_files, app.registry.js_files):
        files[:] = [file for file in files if file[0] not in UNUSED_FILES]
    app.connect("doctree-read", _leave_out_tool_comments)
    app.connect("html-collect-pages", _forget_sourceless_modules, priority=100)  # before viewcode lists them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _forget_sourceless_modules(app: Sphinx) -> list:
    """Keep viewcode from linking to pages that it does not write, such as that of `builtins`."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


def _leave_out_tool_comments(app: Sphinx, doctree: nodes.document) -> None:
    """What a code cell says to a formatter or a checker is nothing to a reader."""
    for block in list(doctree.findall(nodes.literal_block)):
        text = TOOL_COMMENT.sub("", block.astext())
        if text != block.astext() and block.rawsource == block.astext():
            block.replace_self(nodes.literal_block(text, text, **block.attributes))
