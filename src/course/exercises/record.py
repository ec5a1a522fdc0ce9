"""What is known of a learner's progress: how exercises stood when last checked, how many hints were read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from course import files
from course.exercises.workspace import alone, folder


def states(chapter: str) -> dict[int, str]:
    """How the exercises of a chapter stood when last checked."""
    return {
        int(number): state for number, state in _entry(_read(), chapter, "states").items()
    }


def keep_states(chapter: str, states: dict[int, str]) -> None:
    """Keep how the exercises of a chapter stand."""
    new = {str(number): state for number, state in states.items()}
    _keep(chapter, "states", lambda known: new)


def hints(chapter: str) -> dict[int, int]:
    """How many hints of each exercise were read."""
    return {
        int(number): count for number, count in _entry(_read(), chapter, "hints").items()
    }


def keep_hints(chapter: str, number: int, count: int) -> None:
    """Keep that `count` hints of an exercise were read."""
    _keep(chapter, "hints", lambda known: known | {str(number): count})


def _file() -> Path:
    return folder() / ".progress.json"


def _read() -> dict:
    """The record; a file that is missing or was damaged counts as empty."""
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _entry(known: dict, chapter: str, what: str) -> dict:
    entry = known.get(chapter)
    found = entry.get(what) if isinstance(entry, dict) else None
    return (
        {k: v for k, v in found.items() if k.isdecimal()} if isinstance(found, dict) else {}
    )


def _keep(chapter: str, what: str, change: Callable[[dict], dict]) -> None:
    """Change one entry; another process may be doing the same."""
    with alone():
        known = _read()
        entry = known.get(chapter)
        value = change(_entry(known, chapter, what))
        known[chapter] = (entry if isinstance(entry, dict) else {}) | {what: value}
        files.write(_file(), json.dumps(known, indent=1, sort_keys=True) + "\n")
