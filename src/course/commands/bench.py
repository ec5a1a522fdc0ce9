"""The commands `course bench …`: measure what the course computes, beside its peers."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from course.files import NotWritten, write

if TYPE_CHECKING:
    from course.bench import Report

LENGTHS = "512,1024,2048,4096"


@click.group()
def bench() -> None:
    """Measure what the course computes, beside its peers."""


@bench.command()
@click.option("--lengths", default=LENGTHS, show_default=True, help="Lengths to time.")
@click.option("--memory-lengths", help="Lengths to weigh; by default those to time.")
@click.option(
    "--subjects",
    default="",
    help="What to measure beside torch's fused kernel; by default all.",
)
@click.option("--heads", default=8, show_default=True, help="Heads, for the times.")
@click.option("--width", default=64, show_default=True, help="Width of a head.")
@click.option(
    "--rounds", default=5, show_default=True, help="The shortest of so many times counts."
)
@click.option(
    "--device", default="cpu", show_default=True, help="Where to measure the times."
)
@click.option("--dtype", default="float32", show_default=True, help="Numbers of torch.")
@click.option(
    "--threads", type=int, help="Threads; one is timed by the clock of the process."
)
@click.option(
    "--json",
    "target",
    type=click.Path(),
    help="Write all numbers to this file.",
)
@click.option("--figure", type=click.Path(), help="Draw them into this SVG.")
def attention(
    lengths: str,
    memory_lengths: str | None,
    subjects: str,
    target: str | None,
    figure: str | None,
    **options: Any,
) -> None:
    """Measure attention over the length: times, as ratios to torch's fused kernel, and memory.

    All subjects run in turns in one process, and the shortest time of each counts. Memory is the largest size
    of a process of its own, less the size with its inputs; it is measured with one head.
    """
    # Other commands answer at once, without torch.
    from course.bench import Plan, measure

    chosen = {"subjects": tuple(subjects.split(","))} if subjects else {}
    if memory_lengths is not None:
        chosen["memory_lengths"] = _numbers(memory_lengths)
    try:
        plan = Plan(_numbers(lengths), **chosen, **options)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    # Better now than after the measurements.
    for path in filter(None, (target, figure)):
        _check_writable(Path(path))
    report = measure(plan, lambda text: click.echo(text, err=True))
    _show("Time over that of sdpa", report.times, "ratio")
    _show("MiB beyond the inputs, causal, one head", report.memory, "mib")
    try:
        if target:
            write(target, json.dumps(report.as_json(), indent=1) + "\n")
        if figure:
            write(figure, _drawn(report))
    except NotWritten as error:
        raise click.ClickException(str(error)) from error


def _drawn(report: Report) -> bytes:
    """A figure of the measurements, as SVG."""
    from course.viz.benchmark import PANELS, benchmark
    from course.viz.style import METADATA, setup

    setup()
    found = {"memory": report.memory}
    panels = [panel for panel in PANELS if found.get(panel, report.times)]
    drawing = io.BytesIO()
    benchmark(report.as_json(), panels).savefig(drawing, format="svg", metadata=METADATA)
    return drawing.getvalue()


def _check_writable(path: Path) -> None:
    folder = path.resolve().parent
    if not folder.is_dir():
        reason = f"there is no folder {path.parent}"
    elif path.is_dir():
        reason = "it is a folder"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        reason = "Permission denied"
    else:
        return
    raise click.ClickException(f"{path} cannot be written: {reason}.")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise click.ClickException(
            f"Lengths are whole numbers with commas between them, but got {text!r}."
        ) from None


def _show(title: str, rows: Sequence[dict], value: str) -> None:
    """Print a table: a row for each subject and direction, a column for each length."""
    if not rows:
        return
    lengths = sorted({row["n"] for row in rows})
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for column in ("subject", "direction", "", *(f"T={n}" for n in lengths)):
        table.add_column(column)
    lines: dict[tuple[str, ...], dict[int, float]] = {}
    for row in rows:
        kind = {True: "causal", False: "full", None: ""}[row.get("causal")]
        lines.setdefault((row["direction"], kind, row["subject"]), {})[row["n"]] = row[
            value
        ]
    for (direction, kind, subject), found in sorted(
        lines.items(), key=lambda line: line[0][:2]
    ):
        table.add_row(
            subject,
            direction,
            kind,
            *(f"{found[n]:.2f}" if n in found else "" for n in lengths),
        )
    click.echo(f"\n{title}")
    Console(highlight=False, width=100).print(table)
