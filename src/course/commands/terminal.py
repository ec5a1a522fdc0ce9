"""What a terminal shows: lines that fit its width, in which no command is broken."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

WIDTH = 80
NARROWEST = 20
ROOM = 24
"""Columns that a text needs beside others; with fewer it goes on below them."""
COMMAND = re.compile(r"`[^`]*`")


def width() -> int:
    """How many columns to write in: those of the terminal, up to what reads well."""
    return max(NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def filled(text: str, start: str = "", indent: int = 0) -> str:
    """Text in lines that fit, the first after `start`, the others after `indent` spaces."""
    hang = indent if width() - indent >= ROOM else min(indent, 4)
    # What stands between backquotes is to be copied: it stays in one line, even in one that is too long.
    whole = COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.fill(
        whole,
        width(),
        initial_indent=start,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace("\0", " ")


def say(text: str, err: bool = False, indent: int = 0, bold: bool = False) -> None:
    """Print text in lines that fit; indented code stays as it is."""
    for line in text.split("\n"):
        code = line.startswith("    ")
        fitting = line if code else filled(line, " " * indent, indent)
        _echo(click.style(fitting, bold=True) if bold else fitting, err)


def row(
    cells: Sequence[str], sizes: Sequence[int], mark: int = 0, colour: str = ""
) -> None:
    """Print cells as columns of these sizes, and the last after them, in as many lines as it needs.

    Args:
        cells: The cells.
        sizes: Columns of all cells but the last.
        mark: Which cell is coloured.
        colour: Its colour; without one, none is.
    """
    start = "".join(cell.ljust(size) for cell, size in zip(cells, sizes, strict=False))
    lines = filled(cells[-1], start, len(start)) or start.rstrip()
    if colour:
        left = sum(sizes[:mark])
        right = left + len(cells[mark])
        lines = lines[:left] + click.style(lines[left:right], fg=colour) + lines[right:]
    _echo(lines)


def _echo(text: str, err: bool = False) -> None:
    # Left alone, click would write UTF-8 to a terminal that says ASCII.
    stream = sys.stderr if err else sys.stdout
    click.echo(text, file=stream, color=False if os.environ.get("NO_COLOR") else None)
