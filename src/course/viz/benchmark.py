"""Drawings of what `course bench attention` measured, read from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from course.viz.curves import curves
from course.viz.style import figure

PANELS = ("forward", "backward", "memory")


def benchmark(report: Mapping[str, Any], panels: Sequence[str] = PANELS) -> Figure:
    """Draw the times of causal attention as ratios to torch's fused kernel, and the memory, over the length.

    Args:
        report: What :meth:`course.bench.Report.as_json` gave.
        panels: Which to draw, one above the other: ``"forward"``, ``"backward"``, ``"memory"``.

    Returns:
        The figure.

    Raises:
        ValueError: A panel is unknown, or nothing was measured for it.
    """
    if not panels or set(panels) - set(PANELS):
        raise ValueError(
            f"benchmark: panels must be among {', '.join(PANELS)}, but got {list(panels)}."
        )
    # Every panel gets all names, so that a subject has the same colour in each.
    names = list(
        dict.fromkeys(row["subject"] for row in (*report["times"], *report["memory"]))
    )
    drawn, axes = figure(rows=len(panels), squeeze=False)
    for ax, panel in zip(axes[:, 0], panels, strict=True):
        if panel == "memory":
            rows = [row for row in report["memory"] if row["direction"] == "backward"]
            lengths, series = _series(names, rows, "mib")
            ax = curves(series, lengths, xlabel="tokens T", ylabel="MiB", log="xy", markers=True, ax=ax,
                        title="extra memory, forward and backward")  # fmt: skip
        else:
            rows = [
                row
                for row in report["times"]
                if row["causal"] and row["direction"] == panel
            ]
            lengths, series = _series(names, rows, "ratio")
            ax = curves(series, lengths, xlabel="tokens T", ylabel="time / time of sdpa", log="xy",
                        markers=True, ax=ax, title=panel)  # fmt: skip
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xticks(lengths, [str(n) for n in lengths])
        ax.minorticks_off()
    return drawn


def _series(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], value: str
) -> tuple[list[int], dict[str, list[float]]]:
    if not rows:
        raise ValueError("benchmark: the report holds nothing to draw in this panel.")
    lengths = sorted({row["n"] for row in rows})
    found = {(row["subject"], row["n"]): row[value] for row in rows}
    return lengths, {
        name: [found.get((name, n), np.nan) for n in lengths] for name in names
    }
