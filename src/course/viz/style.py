"""The look of every figure: its sizes, its text, and what makes the same figure the same bytes."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from course.shapes import Size, checked
from course.viz.colours import INK, PALETTE, WEIGHTS

WIDTH = 420
"""Width of a figure in pixels of the page."""

PIXELS_PER_INCH = 96
FONT_SIZE = 9.5
CJK_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")


METADATA = {"Date": None, "Creator": None}
"""What a saved SVG must not say of itself, for the same figure to give the same bytes."""


def setup() -> None:
    """Give the figures of this process the style of the book; call it in the first cell of a notebook.

    In a notebook, figures become inline SVG, and the same figure gives the same bytes in every run.
    """
    mpl.rcParams.update(_parameters())
    from IPython import get_ipython

    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        # Without bbox_inches=None, every figure would be cut to a width of its own.
        set_matplotlib_formats("svg", bbox_inches=None, metadata=METADATA)


@checked
def figure(
    *,
    width: float = 1.0,
    height: float | None = None,
    rows: Size = 1,
    columns: Size = 1,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Make a figure of the book's width with a grid of axes.

    Args:
        width: Width in units of the default, 420 pixels; 1.0 also fits a phone.
        height: Height in the same unit; by default 0.62 of the width of one column, for each row.
        rows: Rows of axes.
        columns: Columns of axes.
        **subplots: Passed on to `matplotlib.pyplot.subplots`, for instance ``sharey=True``.

    Returns:
        The figure, and its axes as `matplotlib.pyplot.subplots` gives them.

    Raises:
        ValueError: A size is not positive.
    """
    height = 0.62 * width * rows / columns if height is None else height
    for name, size in (("width", width), ("height", height)):
        if size <= 0:
            raise ValueError(f"figure: {name} must be positive, but got {size}.")
    size = tuple(round(side * WIDTH) / PIXELS_PER_INCH for side in (width, height))
    return plt.subplots(rows, columns, figsize=size, **subplots)


def _parameters() -> dict[str, Any]:
    installed = set(fontManager.get_font_names())
    return {
        "svg.hashsalt": "course",
        "svg.fonttype": "path",
        "figure.figsize": (WIDTH / PIXELS_PER_INCH, round(0.62 * WIDTH) / PIXELS_PER_INCH),
        "figure.dpi": PIXELS_PER_INCH,
        "figure.facecolor": "none",
        "figure.edgecolor": "none",
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "none",
        "savefig.edgecolor": "none",
        "font.family": ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)],
        "font.size": FONT_SIZE,
        "axes.titlesize": FONT_SIZE + 0.5,
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.labelsize": FONT_SIZE,
        "xtick.labelsize": FONT_SIZE - 1,
        "ytick.labelsize": FONT_SIZE - 1,
        "legend.fontsize": FONT_SIZE - 0.5,
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.facecolor": "none",
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.linewidth": 0.8,
        "xtick.major.width": 0.8,
        "ytick.major.width": 0.8,
        "xtick.minor.width": 0.5,
        "ytick.minor.width": 0.5,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": INK,
        "grid.alpha": 0.22,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.9,
        "lines.markersize": 4.5,
        "lines.solid_capstyle": "round",
        "patch.linewidth": 0,
        "legend.frameon": False,
        "image.cmap": WEIGHTS.name,
        "image.interpolation": "none",
    }


def label(axes: Axes, *, title: str | None, xlabel: str | None, ylabel: str | None) -> None:
    """Put the words on `axes`."""
    if title is not None:
        axes.set_title(title)
    if xlabel is not None:
        axes.set_xlabel(xlabel)
    if ylabel is not None:
        axes.set_ylabel(ylabel)
