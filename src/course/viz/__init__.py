"""The only plotting code of the book: style, attention maps, line charts, sources, the attention explorer."""

from course.viz.colours import (
    BLUE,
    INK,
    LAVENDER,
    PALETTE,
    SIGNED,
    TEAL,
    VERMILLION,
    VIOLET,
    WEIGHTS,
    WINE,
)
from course.viz.curves import curves
from course.viz.explorer import explorer
from course.viz.heatmap import heatmap, heatmaps
from course.viz.source import show
from course.viz.style import figure, setup

__all__ = [
    "BLUE",
    "INK",
    "LAVENDER",
    "PALETTE",
    "SIGNED",
    "TEAL",
    "VERMILLION",
    "VIOLET",
    "WEIGHTS",
    "WINE",
    "curves",
    "explorer",
    "figure",
    "heatmap",
    "heatmaps",
    "setup",
    "show",
]
