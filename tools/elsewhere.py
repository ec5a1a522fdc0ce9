"""Try the course as other people's computers would have it:  python tools/elsewhere.py [WORD ...]

Prints a table of set-ups, what came of each and what it said; with words, only set-ups that name one of them.
What cannot be tried on one machine is listed too. The exit status is 1 if one fails.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
import time
from pathlib import Path

from outside import Fails, NotTried
from setups import SETUPS

NAME, OUTCOME, SAID = 40, 18, 62


def main(words: list[str]) -> int:
    failed = 0
    row("set-up", "outcome", "what it said")
    for name, attempt in SETUPS.items():
        if words and not any(word in name for word in words):
            continue
        start = time.monotonic()
        # Every set-up is tried where paths hold spaces and Chinese characters as well.
        with tempfile.TemporaryDirectory(prefix="Kurs 注意力 ") as folder:
            try:
                outcome, said = "works", attempt(Path(folder))
            except Fails as error:
                outcome, said, failed = "FAILS", str(error), failed + 1
            except NotTried as error:
                outcome, said = "not tried", str(error)
        row(name, f"{outcome}, {time.monotonic() - start:.0f} s", said)
    return 1 if failed else 0


def row(name: str, outcome: str, said: str) -> None:
    first, *rest = textwrap.wrap(said, SAID) or [""]
    print(f"{name:{NAME}} {outcome:{OUTCOME}} {first}", flush=True)
    for line in rest:
        print(" " * (NAME + OUTCOME + 2) + line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
