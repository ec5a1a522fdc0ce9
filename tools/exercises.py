"""Generate book/exercises from book/solutions; with --check, only say what is stale."""

from __future__ import annotations

import argparse
import sys

from course.exercises import originals
from course.exercises.notebooks import Problem
from course.files import NotWritten


def main() -> int:
    """Generate or check; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is stale")
    if parser.parse_args().check:
        stale = originals.stale()
        for chapter in stale:
            print(f"{chapter}: the exercises are not what the solutions give; run `make exercises`.")
        return bool(stale)
    status = 0
    for chapter in originals.solution_chapters():
        try:
            print(f"{chapter}: {'written' if originals.write(chapter) else 'up to date'}")
        except (Problem, NotWritten) as problem:
            print(problem)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
