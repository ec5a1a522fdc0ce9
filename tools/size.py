"""Keep the repository small:  python tools/size.py

A file in git stays for ever, and a page with heavy figures is slow on a phone. Names what is over a limit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import notebooks
from pathspec import GitIgnoreSpec

LARGEST_FILE = 1_000_000
LARGEST_FIGURE = 60_000
IMAGES = ("image/svg+xml", "image/png", "image/jpeg")


def main() -> int:
    problems = [*too_large(committed()), *heavy_figures(notebooks.find())]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def committed(root: Path = notebooks.ROOT) -> list[Path]:
    """The files that git tracks or would track, found without git: a downloaded archive has no history."""
    ignored = GitIgnoreSpec.from_lines([".git", *(root / ".gitignore").read_text("utf8").splitlines()])

    def kept(folder: str, name: str, slash: str = "") -> bool:
        return not ignored.match_file((Path(folder).relative_to(root) / name).as_posix() + slash)

    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if kept(folder, name, "/")]
        found += [Path(folder, name) for name in names if kept(folder, name)]
    return sorted(path for path in found if path.is_file())


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
