"""Make pages light: leave out what this book never uses.

Jupyter Book always loads sphinx-thebe, whose start-up code names a script on the network, and
sphinx-togglebutton, whose work `<details>` does here. The theme draws its icons with a script of 1.5 MB, left
out by `_templates/static`; its style sheet can draw them from a font as well (see fonts.py).
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

UNUSED = {"sphinx_thebe", "sphinx_togglebutton"}
UNUSED_FILES = {"sphinx-thebe.css", "togglebutton.css", "togglebutton.js"}


def setup(app: Sphinx) -> dict[str, Any]:
    # Local extensions are loaded last: what the unused ones have registered is there to be removed.
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if each.handler.__module__.partition(".")[0] not in UNUSED]
    for files in (app.registry.css_files, app.registry.js_files):
        files[:] = [file for file in files if file[0] not in UNUSED_FILES]
    app.connect("html-collect-pages", _forget_sourceless_modules, priority=100)  # before viewcode lists them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _forget_sourceless_modules(app: Sphinx) -> list:
    """Keep viewcode from linking to pages that it does not write, such as that of `builtins`."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []
