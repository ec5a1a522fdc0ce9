"""Build the book into _build/html, strictly:  python tools/build.py

One build at a time; a second waits for the first. A build that was broken off or failed leaves pages and
notes of Sphinx that do not agree, so the next one starts from nothing, as it does after changes that Sphinx
does not notice: those of extensions and of the package, whose source is on pages.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (
    *(f"{Path(sys.executable).parent}/jupyter-book", "build", "."),
    *("-W", "-n", "--keep-going", "-q"),  # a warning is an error, a broken reference as well
)
UNNOTICED = ("requirements.txt", "tools/sphinx_ext/*.py", "src/**/*.py")


def build(root: Path = ROOT, command: Sequence[str] = COMMAND) -> int:
    """Run the builder in `root` and return its exit status."""
    with (root / "_config.yml").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another build is running; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        folder = root / "_build"
        folder.mkdir(exist_ok=True)
        complete = folder / ".complete"
        made_from = digest(root)
        if not complete.exists() or complete.read_text("utf8") != made_from:
            for part in ("html", ".doctrees"):
                shutil.rmtree(folder / part, ignore_errors=True)
        complete.unlink(missing_ok=True)
        status = subprocess.run(command, cwd=root).returncode
        if status == 0:
            complete.write_text(made_from, "utf8")
        return status


def digest(root: Path) -> str:
    """Changes when one of the files does that Sphinx does not watch."""
    files = sorted(path for pattern in UNNOTICED for path in root.glob(pattern))
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    try:
        sys.exit(build())
    except KeyboardInterrupt:
        sys.exit(130)
