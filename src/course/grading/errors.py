"""The exceptions of an answer, in words."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from pathlib import Path

from course.grading.outcome import Outcome
from course.grading.words import name_of_type

PACKAGE = Path(__file__).parents[1]
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def error_difference(found: Outcome, expected: Outcome) -> str | None:
    if found.error is None and expected.error is None:
        return None
    if expected.error is None:
        return f"it stops with {_named(found.error)}{_line_of(found.error)}"
    wanted = type(expected.error)
    if found.error is None:
        return f"it should raise {wanted.__name__}, but it returns {name_of_type(found.value)}."
    if not isinstance(found.error, wanted):
        stops = f"it stops with {_named(found.error)}{_line_of(found.error)}"
        return f"it should raise {wanted.__name__}, but {stops}"
    return None


def text(error: BaseException | None) -> str:
    """The message of an exception in one line, without addresses and paths."""
    text = " ".join(str(error).split())
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    return text if len(text) <= 300 else text[:297] + "..."


def _named(error: BaseException) -> str:
    said = text(error)
    return (
        type(error).__name__
        + (f": {said}" if said else "")
        + ("" if said.endswith((".", "!", "?")) else ".")
    )


def _line_of(error: BaseException) -> str:
    """The last line of the learner's own code on the way to the exception."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_own(frame.filename)
    ]
    if not own:
        return ""
    line = (
        linecache.getline(own[-1].filename, own[-1].lineno or 0) or own[-1].line or ""
    ).strip()
    return f" It happens in line {own[-1].lineno} of your cell: `{line}`." if line else ""


def _is_own(file: str) -> bool:
    if file.startswith("<"):
        return False
    return not Path(file).is_relative_to(PACKAGE) and not file.startswith(LIBRARIES)
