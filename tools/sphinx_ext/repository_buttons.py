"""Turn on the buttons that need a public repository once ``repository.url`` names one."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", _turn_on, priority=100)  # before the theme reads its options
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _turn_on(app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    if not options.get("repository_url"):
        return
    for button in ("repository", "edit_page", "issues"):
        options[f"use_{button}_button"] = True
    options["launch_buttons"] = {
        "notebook_interface": "jupyterlab",
        "colab_url": "https://colab.research.google.com",
    }
