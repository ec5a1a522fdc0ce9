"""How the exercises of a notebook stand, as `course check` shows it."""

from __future__ import annotations

from pathlib import Path

from course.commands.terminal import row, say
from course.exercises.grade import Standing
from course.exercises.plain import plain

SHOWN = {
    "right": ("✓", "green"),
    "wrong": ("✗", "red"),
    "not done": ("not done", "yellow"),
    "waits": ("waits", "yellow"),
}
SIZES = (5, 10, 5)
"""Columns for the number, the mark and the stars: what must not be lost comes first."""


def show(path: Path, chapter: str, standings: list[Standing]) -> None:
    """Print a line for each exercise, and below it what there is to say."""
    right = sum(standing.state == "right" for standing in standings)
    say(f"{path}: {right} of {len(standings)} right", bold=True)
    say("")
    for standing in standings:
        mark, colour = SHOWN[standing.state]
        title = f"{plain(standing.title)} ({standing.kind})"
        cells = (f"{standing.number:>3}", mark, "★" * standing.stars, title)
        row(cells, SIZES, 1, colour)
        if said := _said(standing, chapter):
            say(f"{said}\n", indent=5)
    say("")


def _said(standing: Standing, chapter: str) -> str:
    """What the mark does not say."""
    told = "" if standing.state == "right" else standing.says
    if told.endswith(": not done yet."):
        told = ""
    if standing.changed:
        told += (
            f" Exercise {standing.number} has changed since it was started, or what is given "
            f"with it was edited: `course reset {chapter} {standing.number}` restores it as it "
            "is today, and keeps a backup."
        )
    return told.strip()
