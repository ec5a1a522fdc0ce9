"""What is known of a learner's progress: how exercises stood when last checked, how many hints were read."""

from __future__ import annotations

import json
from pathlib import Path

from course.exercises.workspace import folder


def states(chapter: str) -> dict[int, str]:
    """How the exercises of a chapter stood when last checked."""
    return {
        int(number): state for number, state in _entry(_read(), chapter, "states").items()
    }


def keep_states(chapter: str, states: dict[int, str]) -> None:
    """Keep how the exercises of a chapter stand."""
    _keep(chapter, "states", {str(number): state for number, state in states.items()})


def hints(chapter: str) -> dict[int, int]:
    """How many hints of each exercise were read."""
    return {
        int(number): count for number, count in _entry(_read(), chapter, "hints").items()
    }


def keep_hints(chapter: str, number: int, count: int) -> None:
    """Keep that `count` hints of an exercise were read."""
    _keep(
        chapter, "hints", {str(n): c for n, c in (hints(chapter) | {number: count}).items()}
    )


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


def _keep(chapter: str, what: str, value: dict) -> None:
    known = _read()
    entry = known.get(chapter)
    known[chapter] = (entry if isinstance(entry, dict) else {}) | {what: value}
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
