"""Generate book/exercises from book/solutions; with --check, only say what is stale."""

from __future__ import annotations

import argparse
import sys

from course.exercises import generate
from course.exercises.notebooks import Problem


def main() -> int:
    """Generate or check; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is stale")
    if parser.parse_args().check:
        stale = generate.stale()
        for chapter in stale:
            print(f"{chapter}: the exercises are not what the solutions give; run `make exercises`.")
        return bool(stale)
    status = 0
    for chapter in generate.solution_chapters():
        try:
            print(f"{chapter}: {'written' if generate.write(chapter) else 'up to date'}")
        except Problem as problem:
            print(problem)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
