"""The command `course`: start exercises, check them, see progress, take a hint."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from course import __version__
from course.commands.bench import bench
from course.commands.encoding import degrade
from course.commands.terminal import WIDTH, row, say, width
from course.exercises import notebooks, record, workspace
from course.exercises.notebooks import Problem
from course.exercises.originals import original, refuse_original
from course.exercises.plain import plain
from course.exercises.trust import trust
from course.files import NotWritten


def explained(command: Callable) -> Callable:
    """Make a command answer what a reader can put right with one sentence and the exit status 1."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (Problem, NotWritten) as problem:
            said = str(problem)
        except BrokenPipeError:  # the reader of a pipe has seen enough; click ends quietly
            raise
        except OSError as error:
            said = f"{error.filename or 'The system'}: {error.strerror or error}."
        say(said, err=True)
        sys.exit(1)

    return wrapper


class Course(click.Group):
    """The command, in the characters that the terminal has."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
        degrade()
        return super().main(*args, **kwargs)


@click.group(
    cls=Course,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
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
        say(f"The old notebook is kept as {saved}.")
    say(f"Open {path} in Jupyter, fill in the blanks, then run `course check {name}`.")


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
    rows = [_progress(name) for name in notebooks.chapters_in_order()]
    if not rows:
        raise Problem("There are no exercises yet.")
    columns = ("chapter", "right", "wrong", "not done", "hints")
    sizes = [max(map(len, cells)) + 2 for cells in zip(columns, *rows, strict=True)]
    if sum(sizes) - 2 <= width():
        for cells in (columns, *rows):
            row(cells, sizes[:-1])
        return
    for name, *cells in rows:
        counted = zip(cells, columns[1:], strict=True)
        facts = [
            f"{cell} {column}" if cell[0].isdigit() else cell
            for cell, column in counted
            if cell
        ]
        say(f"{name}: {', '.join(facts)}")


@main.command()
@click.argument("name")
@click.argument("number", type=int)
@click.option("--all", "everything", is_flag=True, help="Show all hints at once.")
@explained
def hint(name: str, number: int, everything: bool) -> None:
    """Show the next hint of exercise NUMBER of chapter NAME."""
    hints = notebooks.section(original(name), name, number).hints
    seen = 0 if everything else record.hints(name).get(number, 0)
    if not hints:
        raise Problem(f"Exercise {number} has no hints.")
    if seen >= len(hints):
        say(
            f"These were all {len(hints)} hints; `course hint {name} {number} --all` shows them again."
        )
        return
    upto = len(hints) if everything else seen + 1
    for i, text in enumerate(hints[seen:upto], seen + 1):
        say(f"Hint {i} of {len(hints)}\n\n{plain(text)}\n")
    _remember(record.keep_hints, name, number, upto)


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
    say(f"{what} is blank again{kept}.")


@main.command()
@explained
def doctor() -> None:
    """Say whether this computer has what the course needs."""
    from course.exercises.doctor import examine

    findings = examine()
    sizes = (max(len(finding.name) for finding in findings) + 2, len("missing  "))
    row(("what", "", "found or what to do"), sizes)
    for finding in findings:
        optional = " (optional)" if finding.optional else ""
        note = finding.found if finding.ok else finding.advice + optional
        state, colour = ("ok", "green") if finding.ok else ("missing", "red")
        row((finding.name, state, note), sizes, 1, colour)
    sys.exit(0 if all(finding.ok or finding.optional for finding in findings) else 1)


def _notebook(name: str) -> Path:
    """The notebook that `name` means: a path, or a chapter that is started."""
    if name.endswith(".ipynb"):
        refuse_original(Path(name))
        return Path(name)
    notebooks.exercises(name)
    path = workspace.notebook(name)
    if not path.exists():
        raise Problem(f"{path} does not exist; `course start {name}` makes it.")
    return path


def _progress(name: str) -> tuple[str, ...]:
    """How a chapter stood when it was last checked: the cells of its row."""
    numbers = [part.number for part in notebooks.sections(original(name)) if part.number]
    states, hints = record.states(name), str(sum(record.hints(name).values()) or "")
    if not workspace.notebook(name).exists() and not states:
        return name, "not started", "", "", hints
    right = sum(states.get(number) == "right" for number in numbers)
    wrong = sum(states.get(number) == "wrong" for number in numbers)
    rest = len(numbers) - right - wrong
    return name, f"{right} of {len(numbers)}", str(wrong), str(rest), hints


def _remember(keep: Callable, *facts: Any) -> None:
    """Keep facts for `course progress`; a command whose result is shown does not fail by that."""
    try:
        keep(*facts)
    except NotWritten as error:
        say(f"`course progress` will not know of it: {error}", err=True)


def _check(path: Path, timeout: float) -> bool:
    """Check one notebook, show how it stands, and say whether everything is right."""
    from course.commands.standings import show
    from course.exercises.grade import grade

    try:
        chapter, standings = grade(path, timeout)
    except Problem as problem:
        say(str(problem))
        return False
    show(path, chapter, standings)
    states = {standing.number: standing.state for standing in standings}
    _remember(record.keep_states, chapter, states)
    return bool(states) and set(states.values()) == {"right"}
