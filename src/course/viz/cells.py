"""The cells of an attention map: how large they are, their colours, names and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from course.viz.colours import SIGNED, WEIGHTS, contrast
from course.viz.style import FONT_SIZE, PIXELS_PER_INCH

Tokens = Sequence[str] | None

MAX_CELL = 54.0
"""Pixels of the side of a cell, at the most."""

DOTS = 20
"""Dots of the side of a cell in the embedded image, one of them left free as a gap."""

CHARACTER = 0.62
"""Width of a character in units of the size of its font, about."""

POINT = PIXELS_PER_INCH / 72
TITLE, AXIS_LABEL, BAR = 26.0, 20.0, 52.0  # pixels


def colours_of(vmin: float, vmax: float) -> ScalarMappable:
    """The colours of numbers from `vmin` to `vmax`; they run apart from zero if it lies between."""
    return ScalarMappable(Normalize(vmin, vmax), SIGNED if vmin < 0 < vmax else WEIGHTS)


def left(rows: Tokens) -> float:
    """Pixels beside a map, for its tokens and what they are."""
    return AXIS_LABEL + 8 + _text_width(rows or ["00"])


def bottom(columns: Tokens, cell: float) -> float:
    """Pixels below a map."""
    upright = columns is None or _fits(columns, cell)
    return AXIS_LABEL + 8 + (FONT_SIZE * POINT if upright else _text_width(columns))


def _text_width(tokens: Sequence[str]) -> float:
    return max(map(len, tokens)) * CHARACTER * (FONT_SIZE - 1) * POINT


def _fits(columns: Sequence[str], cell: float) -> bool:
    return _text_width(columns) <= 0.95 * cell


def _square(shape: tuple[int, ...]) -> bool:
    """Whether the cells are squares: not in a map that would be too tall, or a thin strip of tiny cells."""
    n_rows, n_columns = shape
    return n_rows <= 2 * n_columns and (n_columns <= 16 or n_rows >= 0.3 * n_columns)


def cell_height(cell: float, shape: tuple[int, ...]) -> float:
    """Pixels of the height of a cell that is `cell` wide."""
    return (
        cell
        if _square(shape)
        else cell * shape[1] / shape[0] * (0.45 if shape[0] < shape[1] else 1.3)
    )


def draw(ax: Axes, matrix: np.ndarray, colours: ScalarMappable) -> None:
    """Colour the cells."""
    image = colours.to_rgba(np.ma.masked_invalid(matrix), bytes=True)
    image[~np.isfinite(matrix)] = 0
    n_rows, n_columns = matrix.shape
    if matrix.size <= 40 * 40:
        # One small image for all cells: far fewer bytes than a shape for each, with the page in the gaps.
        image = image.repeat(DOTS, axis=0).repeat(DOTS, axis=1)
        image[DOTS - 1 :: DOTS] = 0
        image[:, DOTS - 1 :: DOTS] = 0
    shown = ax.imshow(
        image, extent=(-0.5, n_columns - 0.5, n_rows - 0.5, -0.5), interpolation="none",
        aspect="equal" if _square(matrix.shape) else "auto",
    )  # fmt: skip
    shown.set_gid("map")
    ax.grid(False)
    ax.spines[:].set_visible(False)


def tick(
    ax: Axes, shape: tuple[int, ...], rows: Tokens, columns: Tokens, cell: float
) -> None:
    """Name the rows and columns, or number them."""
    for axis, n, tokens in ((ax.yaxis, shape[0], rows), (ax.xaxis, shape[1], columns)):
        if tokens is None:
            axis.set_major_locator(
                MaxNLocator(nbins=8, integer=True, steps=[1, 2, 4, 5, 8, 10])
            )
        else:
            axis.set_ticks(range(n), [token.replace("$", r"\$") for token in tokens])
    ax.tick_params(length=0, pad=3)
    size = min(FONT_SIZE - 1, max(5.0, 0.85 * cell / POINT))
    if columns is not None:
        ax.tick_params(
            axis="x", labelrotation=0 if _fits(columns, cell) else 90, labelsize=size
        )
    if rows is not None and _square(shape):
        ax.tick_params(axis="y", labelsize=size)


def write_numbers(
    ax: Axes, matrix: np.ndarray, colours: ScalarMappable, cell: float
) -> None:
    """Write its number into each cell, in black or white."""
    texts = {
        place: _number(value)
        for place, value in np.ndenumerate(matrix)
        if np.isfinite(value)
    }
    longest = max(map(len, texts.values()), default=1)
    size = min(FONT_SIZE, 0.85 * cell / POINT / (CHARACTER * longest))
    for (row, column), text in texts.items():
        background = colours.to_rgba(matrix[row, column])[:3]
        ink = max(("white", "black"), key=lambda ink: contrast(ink, background))
        ax.text(column, row, text, ha="center", va="center_baseline", size=size, color=ink)


def _number(value: float) -> str:
    """Two decimals, and a bare 0 for what is exactly nothing."""
    return "0" if value == 0 else f"{value:.2f}".replace("-", "−")


def add_bar(colours: ScalarMappable, axes: list[Axes]) -> None:
    """Add the bar that says what the colours mean."""
    bar = (
        axes[0].get_figure().colorbar(colours, ax=axes, fraction=0.05, pad=0.03, aspect=28)
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    bar.ax.grid(False)
    bar.locator = MaxNLocator(nbins=4, steps=[1, 2.5, 5, 10])
    bar.update_ticks()
