"""Keep the repository small:  python tools/size.py

A file in git stays for ever, and a page with heavy figures is slow on a phone. Names what is over a limit.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import notebooks

LARGEST_FILE = 1_000_000
LARGEST_FIGURE = 60_000
IMAGES = ("image/svg+xml", "image/png", "image/jpeg")


def main() -> int:
    problems = [*too_large(committed()), *heavy_figures(notebooks.find())]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def committed() -> list[Path]:
    """The files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=notebooks.ROOT, check=True, capture_output=True, text=True).stdout
    paths = (notebooks.ROOT / name for name in sorted(set(names.split("\0"))) if name)
    return [path for path in paths if path.is_file()]


def too_large(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        if (size := path.stat().st_size) > LARGEST_FILE:
            yield f"{notebooks.label(path)}: {size / 1e6:.1f} MB, at most {LARGEST_FILE / 1e6:g} MB"


def heavy_figures(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for cell in notebooks.read(path).cells:
            for output in cell.get("outputs", []):
                size = max((len(output.get("data", {}).get(kind, "")) for kind in IMAGES), default=0)
                if size > LARGEST_FIGURE:
                    yield (
                        f"{notebooks.label(path)}, cell {cell.id}: a figure of {size / 1e3:.0f} kB, at most "
                        f"{LARGEST_FIGURE / 1e3:g} kB; rasterise meshes and large scatters"
                    )


if __name__ == "__main__":
    raise SystemExit(main())
