"""Make pages light: leave out what this book never uses, and draw icons from a font of a few kilobytes.

Jupyter Book always loads sphinx-thebe, whose start-up code names a script on the network, and
sphinx-togglebutton, whose work `<details>` does here. The theme draws its icons with a script of 1.5 MB, left
out by `_templates/static`; its style sheet can draw them from a font as well. That font is cut down here to
the icons in use and put into a style sheet, because some browsers load no font files from disk.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

UNUSED = {"sphinx_thebe", "sphinx_togglebutton"}
UNUSED_FILES = {"sphinx-thebe.css", "togglebutton.css", "togglebutton.js"}

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
THEME_STYLE = THEME / "styles" / "pydata-sphinx-theme.css"
FONTS = THEME / "vendor" / "fontawesome" / "webfonts"
ICON_FONTS = {"Free": (900, FONTS / "fa-solid-900.ttf"), "Brands": (400, FONTS / "fa-brands-400.ttf")}
ICON_STYLE = "icons.css"
# An icon missing here still shows over http: the browser falls back to the theme's own font file.
ICONS = (
    *("angle-left", "angle-right", "arrow-up", "bars", "chevron-down", "chevron-right", "chevron-up"),
    *("circle-half-stroke", "download", "file", "file-pdf", "github", "lightbulb", "list"),
    *("magnifying-glass", "moon", "pencil", "rocket", "sun", "xmark"),
)


def setup(app: Sphinx) -> dict[str, Any]:
    # Local extensions are loaded last: what the unused ones have registered is there to be removed.
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if each.handler.__module__.partition(".")[0] not in UNUSED]
    for files in (app.registry.css_files, app.registry.js_files):
        files[:] = [file for file in files if file[0] not in UNUSED_FILES]
    app.connect("builder-inited", _write_icon_style)
    app.connect("html-collect-pages", _forget_sourceless_modules, priority=100)  # before viewcode lists them
    app.add_css_file(ICON_STYLE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _forget_sourceless_modules(app: Sphinx) -> list:
    """Keep viewcode from linking to pages that it does not write, such as that of `builtins`."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


def _write_icon_style(app: Sphinx) -> None:
    target = Path(app.outdir) / "_static" / ICON_STYLE
    if app.builder.format != "html" or target.exists():
        return
    codes = _code_points(THEME_STYLE.read_text("utf8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf8") as file:
        for family, (weight, font) in ICON_FONTS.items():
            data = base64.b64encode(_subset(font, codes)).decode()
            file.write(
                f'@font-face{{font-family:"Font Awesome 6 {family}";font-weight:{weight};font-style:normal;'
                f'font-display:block;src:url(data:font/woff;base64,{data}) format("woff")}}\n'
            )


def _subset(path: Path, codes: set[int]) -> bytes:
    font = TTFont(path)
    subsetter = subset.Subsetter(subset.Options(layout_features=[], notdef_outline=False))
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    font.flavor = "woff"
    data = io.BytesIO()
    font.save(data, reorderTables=None)
    return data.getvalue()


def _code_points(style: str) -> set[int]:
    """The icons that the style sheet itself draws (admonitions, copy marks), and those in `ICONS`."""
    found = re.findall(r'--pst-icon-[\w-]+:"\\([0-9a-f]+)"', style)
    for name in ICONS:
        found += re.findall(rf'\.fa-{name}:before[^{{]*\{{content:"\\([0-9a-f]+)"', style)
    return {int(code, 16) for code in found}
