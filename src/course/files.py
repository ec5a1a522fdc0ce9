"""Files of value: written whole or not at all, and by one process at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class NotWritten(OSError):
    """A file could not be written and is as it was; the text is one sentence."""


def write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Let a file hold `content`, all of it or nothing: a full disk or a crash leaves what it held before.

    The folder is made if it is missing. Text is stored as UTF-8, with the line ends that it has.

    Args:
        path: The file; of a link, the file that it leads to.
        content: What it shall hold.

    Raises:
        NotWritten: The disk is full, or the file or its folder may not be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    # In the same folder, hence on the same disk: only there can one file take the place of another at once.
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_writable(target)
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NotWritten(f"{path} cannot be written: {reason}.") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _check_writable(path: Path) -> None:
    """Raise for a file that its owner has protected: replacing asks only the folder."""
    if path.exists():
        path.open("ab").close()


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Run a block in one process at a time; the others wait.

    Args:
        path: An empty file that stands for what the block changes. That file itself cannot: it is replaced.

    Raises:
        NotWritten: The file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise NotWritten(
            f"The folder {path.parent} cannot be written: {error.strerror}."
        ) from error
    with file:
        # Some network disks know no locks: then two processes at once may disturb each other.
        with contextlib.suppress(OSError):
            _lock(file)
        yield


def _lock(file: IO[bytes]) -> None:
    """Wait for the lock of a file, which ends when the file is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    import msvcrt

    file.seek(0)
    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
