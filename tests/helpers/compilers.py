"""C++ compilers that do not work, each in its own way, as shell scripts."""

from __future__ import annotations

from pathlib import Path

LAST = "for last; do :; done\n"  # the file that is to be made
BROKEN = {  # what it does, and what is said about it
    "ends with 1": ("exit 1", "ended with status 1 and said nothing"),
    "complains": ("echo 'no licence' >&2; exit 1", "no licence"),
    "makes nothing": ("exit 0", "ended well, but made nothing"),
    "makes junk": (LAST + 'echo junk > "$last"', "cannot be loaded"),
    "makes an empty library": (
        LAST + 'exec c++ -shared -fPIC -x c++ /dev/null -o "$last"',
        "left a function out: .*undefined symbol",
    ),
    "does not start": ("", "cannot be used: .*Exec format error"),
}


def write(path: Path, script: str) -> Path:
    """Make a compiler of a script; one without a script is no program at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n" if script else "\x7fELF")
    path.chmod(0o755)
    return path
