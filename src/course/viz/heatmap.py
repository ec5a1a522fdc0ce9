"""Attention maps: one coloured cell for each query (row) and key (column)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from torch import Tensor

from course.shapes import checked
from course.viz.cells import (
    BAR,
    MAX_CELL,
    TITLE,
    Tokens,
    add_bar,
    bottom,
    cell_height,
    colours_of,
    draw,
    left,
    tick,
    write_numbers,
)
from course.viz.style import PIXELS_PER_INCH, WIDTH, figure, label

MAX_VALUES = 9
"""Cells carry their numbers in a map of at most so many rows and columns."""


@checked
def heatmap(
    weights: Shaped[Tensor, "query key"],
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    values: bool = True,
    vmin: float = 0.0,
    vmax: float = 1.0,
    xlabel: str | None = "key",
    ylabel: str | None = "query",
) -> Axes:
    """Draw a matrix of attention weights: queries from top to bottom, keys from left to right.

    The colours mean the same in every map, because the scale is 0 to 1 unless told otherwise. With
    ``vmin < 0``, negative values are orange and positive ones blue. Values that are not finite leave their
    cell empty.

    Args:
        weights: The weights; a mask or scores may be drawn as well.
        rows: One token for each query; by default the positions are numbered.
        columns: One token for each key.
        ax: Where to draw; by default a new figure, with a colour bar if the cells carry no numbers.
        title: Title of the map.
        values: Print the numbers in the cells of a map of at most 9 rows and columns.
        vmin: The value of the first colour.
        vmax: The value of the last colour.
        xlabel: What the columns are.
        ylabel: What the rows are.

    Returns:
        The axes of the map.

    Raises:
        TypeError: `weights` is not a tensor, or tokens are given as one string.
        ValueError: The number of tokens differs from that of rows or columns, or ``vmin >= vmax``.
    """
    matrix = _array(weights)
    _check("heatmap", rows, columns, matrix.shape, vmin, vmax)
    values = values and max(matrix.shape) <= MAX_VALUES
    colours = colours_of(vmin, vmax)
    if ax is None:
        cell = min(MAX_CELL, (WIDTH - left(rows) - BAR * (not values)) / matrix.shape[1])
        width = max(left(rows) + cell * matrix.shape[1] + BAR * (not values), 0.5 * WIDTH)
        height = (
            cell_height(cell, matrix.shape) * matrix.shape[0]
            + bottom(columns, cell)
            + TITLE
        )
        _, ax = figure(width=width / WIDTH, height=height / WIDTH, layout="compressed")
        if not values:
            add_bar(colours, [ax])
    else:
        cell = (
            ax.get_position().width
            * ax.get_figure().get_figwidth()
            * PIXELS_PER_INCH
            / matrix.shape[1]
        )
    draw(ax, matrix, colours)
    tick(ax, matrix.shape, rows, columns, cell)
    if values:
        write_numbers(ax, matrix, colours, cell)
    label(ax, title=title, xlabel=xlabel, ylabel=ylabel)
    return ax


@checked
def heatmaps(
    weights: Shaped[Tensor, "heads query key"],
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    titles: Sequence[str] | None = None,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> list[Axes]:
    """Draw the attention maps of several heads, two in a row, with one colour bar.

    Args:
        weights: The weights of each head.
        rows: One token for each query.
        columns: One token for each key.
        titles: One title for each map; by default the heads are numbered from 1.
        vmin: The value of the first colour.
        vmax: The value of the last colour.

    Returns:
        The axes of the maps, in order.

    Raises:
        TypeError: `weights` is not a tensor, or tokens are given as one string.
        ValueError: The number of tokens or titles does not fit, or ``vmin >= vmax``.
    """
    shape, n = tuple(weights.shape[1:]), len(weights)
    _check("heatmaps", rows, columns, shape, vmin, vmax)
    titles = [f"head {i + 1}" for i in range(n)] if titles is None else titles
    if len(titles) != n:
        raise ValueError(
            f"heatmaps: titles must name {n} heads, but there are {len(titles)}."
        )
    n_columns = min(n, 2)
    n_rows = -(-n // n_columns)
    cell = min(
        MAX_CELL, (WIDTH - left(rows) - BAR - 12 * (n_columns - 1)) / n_columns / shape[1]
    )
    height = n_rows * (cell_height(cell, shape) * shape[0] + TITLE) + bottom(columns, cell)
    _, grid = figure(
        height=height / WIDTH, rows=n_rows, columns=n_columns, squeeze=False, sharex=True, sharey=True,
        layout="compressed",
    )  # fmt: skip
    axes = list(grid.flat)
    colours = colours_of(vmin, vmax)
    for i, ax in enumerate(axes[:n]):
        lowest, first = i + n_columns >= n, i % n_columns == 0
        draw(ax, _array(weights[i]), colours)
        tick(ax, shape, rows, columns, cell)
        ax.tick_params(labelbottom=lowest, labelleft=first)
        label(
            ax,
            title=titles[i],
            xlabel="key" if lowest else None,
            ylabel="query" if first else None,
        )
    for ax in axes[n:]:
        ax.remove()
    add_bar(colours, axes[:n])
    return axes[:n]


def _array(weights: Tensor) -> np.ndarray:
    return weights.detach().double().cpu().numpy()


def _check(
    function: str,
    rows: Tokens,
    columns: Tokens,
    shape: tuple[int, ...],
    vmin: float,
    vmax: float,
) -> None:
    for name, tokens, n in (("rows", rows, shape[0]), ("columns", columns, shape[1])):
        if isinstance(tokens, str):
            raise TypeError(
                f"{function}: {name} must be a list of tokens, but got one string, {tokens!r}."
            )
        if tokens is not None and len(tokens) != n:
            raise ValueError(
                f"{function}: {name} must have {n} tokens, like the weights {shape}, but has {len(tokens)}."
            )
    if vmin >= vmax:
        raise ValueError(f"{function}: vmin must be below vmax, but got {vmin} and {vmax}.")
