"""Serve MathJax from the built book, so that formulas show without a network, also from disk.

One self-contained script is copied out of the pip package ``sphinx-mathjax-offline``: it draws SVG, so it
needs no font files, which some browsers refuse to load from disk.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = "tex-svg-full.js"
# The height of an x in em: in the book's serif and in MathJax's font.
SCALE = 0.475 / 0.442


def setup(app: Sphinx) -> dict[str, Any]:
    app.config.mathjax_path = f"mathjax/{SCRIPT}"
    # The menu and the speech extensions would be fetched on demand; the book carries neither.
    app.config.mathjax3_config = {
        "options": {"enableMenu": False},
        "svg": {"fontCache": "global", "scale": round(SCALE, 4)},
    }
    app.connect("builder-inited", _copy_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _copy_script(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ExtensionError(f"MathJax is missing: pip install {PACKAGE}")
    source = Path(spec.origin).parent / "static" / "mathjax" / SCRIPT
    target = Path(app.outdir) / "_static" / "mathjax" / SCRIPT
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
