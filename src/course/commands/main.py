"""The command `course`: start exercises, check them, see progress, take a hint."""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from course import __version__
from course.commands.bench import bench
from course.exercises import notebooks, record, workspace
from course.exercises.notebooks import Problem
from course.exercises.plain import plain
from course.exercises.trust import trust

WIDTH = 80
SHOWN = {
    "right": ("✓", "green"),
    "wrong": ("✗", "red"),
    "not done": ("not done", "yellow"),
    "waits": ("waits", "yellow"),
}


def explained(command: Callable) -> Callable:
    """Make a command answer a Problem with its sentence and the exit status 1."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Problem as problem:
            _say(str(problem), err=True)
            sys.exit(1)

    return wrapper


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH}
)
@click.version_option(__version__, prog_name="course")
def main() -> None:
    """Attention, from First Principles to Kernels: do the exercises."""


main.add_command(bench)


@main.command()
@click.argument("name")
@click.option(
    "--force", is_flag=True, help="Start anew; the old notebook is kept as a backup."
)
@explained
def start(name: str, force: bool) -> None:
    """Copy the exercises of chapter NAME into work/."""
    path, saved = workspace.start(name, force)
    trust(path)
    if saved:
        _say(f"The old notebook is kept as {saved}.")
    _say(f"Open {path} in Jupyter, fill in the blanks, then run `course check {name}`.")


@main.command()
@click.argument("name", required=False)
@click.option(
    "--timeout", default=60.0, show_default=True, help="Seconds that one cell may run."
)
@explained
def check(name: str | None, timeout: float) -> None:
    """Check the exercises of chapter NAME, or of every chapter that is started.

    NAME may also be the path of a notebook. The exit status is 0 if everything is right.
    """
    paths = [_notebook(name)] if name else workspace.started()
    if not paths:
        raise Problem("No exercises are started yet; `course start NAME` starts a chapter.")
    verdicts = [_check(path, timeout) for path in paths]
    sys.exit(0 if all(verdicts) else 1)


@main.command()
@explained
def progress() -> None:
    """Show how all chapters stood when they were last checked."""
    table = _table("chapter", "right", "wrong", "not done", "hints")
    for name in notebooks.chapters_in_order():
        numbers = [
            part.number for part in notebooks.sections(_reference(name)) if part.number
        ]
        states, hints = record.states(name), sum(record.hints(name).values())
        if not workspace.notebook(name).exists() and not states:
            table.add_row(name, "not started", "", "", str(hints or ""))
            continue
        right = sum(states.get(number) == "right" for number in numbers)
        wrong = sum(states.get(number) == "wrong" for number in numbers)
        rest = len(numbers) - right - wrong
        table.add_row(
            name, f"{right} of {len(numbers)}", str(wrong), str(rest), str(hints or "")
        )
    if not table.row_count:
        raise Problem("There are no exercises yet.")
    _console().print(table)


@main.command()
@click.argument("name")
@click.argument("number", type=int)
@click.option("--all", "everything", is_flag=True, help="Show all hints at once.")
@explained
def hint(name: str, number: int, everything: bool) -> None:
    """Show the next hint of exercise NUMBER of chapter NAME."""
    hints = notebooks.section(_reference(name), name, number).hints
    seen = 0 if everything else record.hints(name).get(number, 0)
    if not hints:
        raise Problem(f"Exercise {number} has no hints.")
    if seen >= len(hints):
        _say(
            f"These were all {len(hints)} hints; `course hint {name} {number} --all` shows them again."
        )
        return
    upto = len(hints) if everything else seen + 1
    for i, text in enumerate(hints[seen:upto], seen + 1):
        _say(f"Hint {i} of {len(hints)}\n\n{plain(text)}\n")
    record.keep_hints(name, number, upto)


@main.command()
@click.argument("name")
@click.argument("number", type=int, required=False)
@click.option("--force", is_flag=True, help="Restore the whole notebook.")
@explained
def reset(name: str, number: int | None, force: bool) -> None:
    """Restore the cells of exercise NUMBER of chapter NAME, or the whole notebook."""
    if number is None and not force:
        raise Problem(
            f"Say which exercise (`course reset {name} 1`), or --force to restore the whole notebook."
        )
    if number is None:
        path, saved = workspace.start(name, force=True)
        trust(path)
    else:
        path, saved = workspace.reset(name, number)
    what = f"{path}" if number is None else f"Exercise {number} of {path}"
    kept = f"; the old notebook is kept as {saved}" if saved else ""
    _say(f"{what} is blank again{kept}.")


@main.command()
def doctor() -> None:
    """Say whether this computer has what the course needs."""
    from course.exercises.doctor import examine

    findings = examine()
    table = _table("what", "", "found or what to do")
    for finding in findings:
        state = "ok" if finding.ok else "missing"
        note = (
            finding.found
            if finding.ok
            else finding.advice + (" (optional)" if finding.optional else "")
        )
        table.add_row(finding.name, Text(state, "green" if finding.ok else "red"), note)
    _console().print(table)
    sys.exit(0 if all(finding.ok or finding.optional for finding in findings) else 1)


def _notebook(name: str) -> Path:
    """The notebook that `name` means: a path, or a chapter that is started."""
    if name.endswith(".ipynb"):
        return Path(name)
    notebooks.exercises(name)
    path = workspace.notebook(name)
    if not path.exists():
        raise Problem(f"{path} does not exist; `course start {name}` makes it.")
    return path


def _reference(name: str) -> dict:
    return notebooks.read(notebooks.exercises(name))


def _check(path: Path, timeout: float) -> bool:
    """Check one notebook, show how it stands, and say whether everything is right."""
    from course.exercises.grade import grade

    try:
        chapter, standings = grade(path, timeout)
    except Problem as problem:
        _say(str(problem))
        return False
    record.keep_states(chapter, {standing.number: standing.state for standing in standings})
    console = _console()
    right = sum(standing.state == "right" for standing in standings)
    console.print(f"{path}: {right} of {len(standings)} right\n", style="bold")
    for standing in standings:
        mark, style = SHOWN[standing.state]
        row = Table.grid(padding=(0, 1))
        for width in (3, 38, 12, 4, 9):
            row.add_column(width=width)
        stars = "★" * standing.stars
        row.add_row(
            f"{standing.number:>3}",
            plain(standing.title),
            standing.kind,
            stars,
            Text(mark, style),
        )
        console.print(row)
        if (
            standing.state == "wrong"
            or (standing.state == "waits" and standing.says)
            or (
                standing.state == "not done"
                and not standing.says.endswith(": not done yet.")
            )
        ):
            console.print(Padding(Text(standing.says), (0, 2, 1, 4)))
    console.print()
    return bool(standings) and right == len(standings)


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH)
    return console


def _say(text: str, err: bool = False) -> None:
    """Print text in lines of at most the width of a terminal; indented code stays as it is."""
    for line in text.split("\n"):
        code = line.startswith("    ")
        fitting = textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        click.echo(line if code else fitting, err=err)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
