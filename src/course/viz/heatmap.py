"""Attention maps: one coloured cell for each query (row) and key (column)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from course.shapes import checked
from course.viz.colours import SIGNED, WEIGHTS, contrast
from course.viz.style import FONT_SIZE, PIXELS_PER_INCH, WIDTH, figure, label

Tokens = Sequence[str] | None

MAX_VALUES = 9
"""Cells carry their numbers in a map of at most so many rows and columns."""

MAX_CELL = 54.0
"""Pixels of the side of a cell, at the most."""

DOTS = 20
"""Dots of the side of a cell in the embedded image, one of them left free as a gap."""

CHARACTER = 0.62
"""Width of a character in units of the size of its font, about."""

POINT = PIXELS_PER_INCH / 72
TITLE, AXIS_LABEL, BAR = 26.0, 20.0, 52.0  # pixels


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
    colours = _colours(vmin, vmax)
    if ax is None:
        cell = min(MAX_CELL, (WIDTH - _left(rows) - BAR * (not values)) / matrix.shape[1])
        width = max(_left(rows) + cell * matrix.shape[1] + BAR * (not values), 0.5 * WIDTH)
        height = (
            _cell_height(cell, matrix.shape) * matrix.shape[0]
            + _bottom(columns, cell)
            + TITLE
        )
        _, ax = figure(width=width / WIDTH, height=height / WIDTH, layout="compressed")
        if not values:
            _bar(colours, [ax])
    else:
        cell = (
            ax.get_position().width
            * ax.get_figure().get_figwidth()
            * PIXELS_PER_INCH
            / matrix.shape[1]
        )
    _draw(ax, matrix, colours)
    _tick(ax, matrix.shape, rows, columns, cell)
    if values:
        _print(ax, matrix, colours, cell)
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
        MAX_CELL, (WIDTH - _left(rows) - BAR - 12 * (n_columns - 1)) / n_columns / shape[1]
    )
    height = n_rows * (_cell_height(cell, shape) * shape[0] + TITLE) + _bottom(
        columns, cell
    )
    _, grid = figure(
        height=height / WIDTH, rows=n_rows, columns=n_columns, squeeze=False, sharex=True, sharey=True,
        layout="compressed",
    )  # fmt: skip
    axes = list(grid.flat)
    colours = _colours(vmin, vmax)
    for i, ax in enumerate(axes[:n]):
        lowest, first = i + n_columns >= n, i % n_columns == 0
        _draw(ax, _array(weights[i]), colours)
        _tick(ax, shape, rows, columns, cell)
        ax.tick_params(labelbottom=lowest, labelleft=first)
        label(
            ax,
            title=titles[i],
            xlabel="key" if lowest else None,
            ylabel="query" if first else None,
        )
    for ax in axes[n:]:
        ax.remove()
    _bar(colours, axes[:n])
    return axes[:n]


def _array(weights: Tensor) -> np.ndarray:
    return weights.detach().double().cpu().numpy()


def _colours(vmin: float, vmax: float) -> ScalarMappable:
    return ScalarMappable(Normalize(vmin, vmax), SIGNED if vmin < 0 < vmax else WEIGHTS)


def _left(rows: Tokens) -> float:
    return AXIS_LABEL + 8 + _text_width(rows or ["00"])


def _bottom(columns: Tokens, cell: float) -> float:
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


def _cell_height(cell: float, shape: tuple[int, ...]) -> float:
    return (
        cell
        if _square(shape)
        else cell * shape[1] / shape[0] * (0.45 if shape[0] < shape[1] else 1.3)
    )


def _draw(ax: Axes, matrix: np.ndarray, colours: ScalarMappable) -> None:
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


def _tick(
    ax: Axes, shape: tuple[int, ...], rows: Tokens, columns: Tokens, cell: float
) -> None:
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


def _print(ax: Axes, matrix: np.ndarray, colours: ScalarMappable, cell: float) -> None:
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


def _bar(colours: ScalarMappable, axes: list[Axes]) -> None:
    bar = (
        axes[0].get_figure().colorbar(colours, ax=axes, fraction=0.05, pad=0.03, aspect=28)
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    bar.ax.grid(False)
    bar.locator = MaxNLocator(nbins=4, steps=[1, 2.5, 5, 10])
    bar.update_ticks()


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
