"""Line charts: one curve for each name, with its name at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from course.viz.colours import PALETTE
from course.viz.style import FONT_SIZE, figure, label

MAX_DIRECT = 7
"""At most so many curves carry their names at their ends; more, or longer names, get a legend."""

MAX_NAME = 20
DASHES = ("-", (0, (4, 1.6)), (0, (1.2, 1.4)))
LOGS = ("", "x", "y", "xy")

End = tuple[str, float, float, str]
"""The end of a curve: its name, x, y and colour."""


def curves(
    series: Mapping[str, Any],
    x: Any = None,
    *,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    log: str = "",
    markers: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw one curve for each entry of `series`.

    A curve given as a matrix is a measurement repeated, one row for each run: its median is drawn, and a band
    from the smallest to the largest value. The names stand at the ends of the curves where they fit, else in
    a legend.

    Args:
        series: The curves by name: numbers, ``(point,)`` or ``(run, point)``; NaN leaves a gap.
        x: Positions of the points, one list for all; by default 0, 1, 2, ….
        xlabel: What x is, with its unit.
        ylabel: What y is, with its unit.
        title: Title of the chart.
        log: The logarithmic axes: ``""``, ``"x"``, ``"y"`` or ``"xy"``.
        markers: Mark the points.
        ax: Where to draw; by default a new figure.

    Returns:
        The axes of the chart.

    Raises:
        ValueError: There are no curves, a curve has no points or a shape that does not fit, or `log` is
            unknown.
    """
    if not series:
        raise ValueError("curves: series must name at least one curve, but is empty.")
    if log not in LOGS:
        raise ValueError(
            f"curves: log must be one of {', '.join(map(repr, LOGS))}, but got {log!r}."
        )
    runs = {name: _runs(name, values) for name, values in series.items()}
    positions = {
        name: _positions(name, x, values.shape[1]) for name, values in runs.items()
    }
    if ax is None:
        _, ax = figure()
    ax.set(
        xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear"
    )
    looks = ((colour, dash) for dash in cycle(DASHES) for colour in PALETTE)
    ends = []
    for (name, values), (colour, dash) in zip(runs.items(), looks, strict=False):
        at, median = positions[name], np.median(values, axis=0)
        if len(values) > 1:
            ax.fill_between(
                at, values.min(0), values.max(0), color=colour, alpha=0.22, linewidth=0
            )
        ax.plot(
            at,
            median,
            color=colour,
            linestyle=dash,
            label=name,
            marker="o" if markers else None,
        )
        shown = np.flatnonzero(np.isfinite(median))
        if len(shown):
            ends.append((name, at[shown[-1]], median[shown[-1]], colour))
    label(ax, title=title, xlabel=xlabel, ylabel=ylabel)
    _name_curves(ax, ends)
    return ax


def _runs(name: str, values: Any) -> np.ndarray:
    values = (
        values.detach().double().cpu().numpy() if isinstance(values, Tensor) else values
    )
    runs = np.atleast_2d(np.asarray(values, dtype=float))
    if runs.ndim != 2 or 0 in runs.shape:
        raise ValueError(
            f"curves: {name!r} must have the shape (point,) or (run, point) and not be empty, "
            f"but its shape is {np.shape(values)}."
        )
    return runs


def _positions(name: str, x: Any, n: int) -> np.ndarray:
    at = np.arange(n, dtype=float) if x is None else np.asarray(x, dtype=float)
    if at.shape != (n,):
        raise ValueError(
            f"curves: {name!r} has {n} points, but x has the shape {at.shape}."
        )
    return at


def _name_curves(ax: Axes, ends: Sequence[End]) -> None:
    names = [name for name, *_ in ends]
    if len(ends) < 2:
        return
    if (
        len(ends) > MAX_DIRECT
        or max(map(len, names)) > MAX_NAME
        or len({at for _, at, *_ in ends}) > 1
    ):
        rows = -(-len(names) // 2) if max(map(len, names)) > 12 else -(-len(names) // 3)
        ax.figure.legend(loc="outside lower center", ncols=-(-len(names) // rows))
        return
    for (name, at, value, colour), lift in zip(ends, _lifts(ax, ends), strict=True):
        ax.annotate(
            name, (at, value), (7, lift), textcoords="offset points",
            va="center", ha="left", color=colour, size=FONT_SIZE - 0.5, annotation_clip=False,
        )  # fmt: skip


def _lifts(ax: Axes, ends: Sequence[End]) -> list[float]:
    """How far to move each name up, in points, so that none covers another."""
    ax.autoscale_view()
    height = ax.get_position().height * ax.get_figure().get_figheight() * 72
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = [height * to_axes.transform((at, value))[1] for _, at, value, _ in ends]
    return [
        place - want
        for place, want in zip(_spread(wanted, FONT_SIZE * 1.2), wanted, strict=True)
    ]


def _spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places near `wanted`, in the same order, at least `gap` apart: least squares, by pooling neighbours."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools: list[
        list[float]
    ] = []  # of wanted places, each less the room that those below it take
    for rank, i in enumerate(order):
        pools.append([wanted[i] - rank * gap])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    levels = [float(np.mean(pool)) for pool in pools for _ in pool]
    places = [0.0] * len(wanted)
    for rank, i in enumerate(order):
        places[i] = levels[rank] + rank * gap
    return places
