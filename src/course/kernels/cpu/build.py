"""Compile C++ with the compiler of the system, once, and load what came out of it."""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
COMPILERS = ("g++", "clang++", "c++")
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-pthread"),
    # Nobody reads errno or floating-point traps, and 0 may lose its sign. Not -ffast-math: it would also
    # let the compiler assume that minus infinity, the score of a masked key, never occurs.
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)


class NoCompiler(RuntimeError):
    """There is no C++ compiler on this computer."""


class CompileError(RuntimeError):
    """The compiler refused the source, or does not work; the text is what it said."""


def compiler() -> list[str]:
    """Return the command of the C++ compiler: the variable CXX, or the first one that is found.

    Raises:
        NoCompiler: There is none; the message says what to do.
    """
    wanted = shlex.split(os.environ.get("CXX", ""))
    for command in [wanted] if wanted else [[name] for name in COMPILERS]:
        if found := shutil.which(command[0]):
            return [found, *command[1:]]
    tried = wanted[0] if wanted else ", ".join(COMPILERS)
    raise NoCompiler(
        f"The CPU kernels need a C++ compiler, but none was found (tried {tried}). Install g++ or clang++, "
        "or use attend with backend='tiled', which computes the same in torch."
    )


def build(source: str | Path, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Compile `source` into a shared library, unless that was done before, and load it.

    Args:
        source: C++ text, or the path of a file.
        flags: Options of the compiler.

    Returns:
        The loaded library.

    Raises:
        NoCompiler: There is no compiler.
        CompileError: The compiler refused the source, or what it made cannot be loaded.
    """
    path = compiled(source, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError:  # cut short, or written by another system: it is made anew
        with suppress(OSError):
            path.unlink()
    path = compiled(source, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CompileError(
            f"What the C++ compiler {compiler()[0]} made cannot be loaded: {error}"
        ) from error


def compiled(source: str | Path, flags: tuple[str, ...] = FLAGS) -> Path:
    """Return the file of a shared library compiled from `source`, now or earlier.

    The library lies in a cache of the user under a name made from the source, the headers of this folder, the
    command, and what the compiler says of itself and of the processor: a folder that two machines share holds
    a library for each. Where the cache cannot be written, the library lies in a folder of the process.

    Args:
        source: C++ text, or the path of a file.
        flags: Options of the compiler; one for the processor that it does not know is left out.

    Returns:
        The path of the library.

    Raises:
        NoCompiler: There is no compiler.
        CompileError: The compiler refused the source, does not start, or made nothing.
    """
    text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
    headers = "".join(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.h")))
    command = compiler()
    try:
        command += [
            flag for flag in flags if not flag.startswith("-m") or _macros(*command, flag)
        ]
        parts = ["linked apart", text, headers, *command, _macros(*command)]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        target = cache() / f"{key}.so"
        return target if target.exists() else _kept(_made(text, *command), target)
    except OSError as error:
        raise CompileError(
            f"The C++ compiler {command[0]} cannot be used: {error}"
        ) from error


def cache() -> Path:
    """Return the folder of built libraries: the variable COURSE_CACHE, or one in the user's cache."""
    if chosen := os.environ.get("COURSE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "course" / "kernels"


@functools.cache
def _macros(*command: str) -> str:
    """The macros that the compiler predefines (its version, what the processor can do); "" if it refuses."""
    ended = _run([*command, "-dM", "-E", "-x", "c++", os.devnull])
    return ended.stdout if ended.returncode == 0 else ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Call the compiler, which is to speak English."""
    env = os.environ | {"LC_ALL": "C"}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=env
    )


@functools.cache
def _made(text: str, *command: str) -> Path:
    """Compile in the folder of this process, where the library lies until the process ends."""
    work = Path(tempfile.mkdtemp(dir=_folder()))
    source, part, made = (work / name for name in ("source.cpp", "part.o", "made.so"))
    source.write_text(text, encoding="utf-8")
    # Linked apart, without the flags: told of -ffast-math, GCC links in start-up code that makes the
    # whole process, torch included, take numbers near 1e-40 for zero.
    link = [*compiler(), "-shared", "-pthread", str(part), "-o", str(made)]
    for step in ([*command, "-I", str(HERE), "-c", str(source), "-o", str(part)], link):
        ended = _run(step)
        if ended.returncode != 0:
            silent = f"{command[0]} ended with status {ended.returncode} and said nothing."
            said = _shortened(ended.stderr.replace(str(source), "source.cpp")) or silent
            raise CompileError(f"The C++ compiler refused the source:\n{said}")
    if not made.exists():
        raise CompileError(f"The C++ compiler {command[0]} ended well, but made nothing.")
    return made


def _kept(made: Path, target: Path) -> Path:
    """Put a library into the cache, whole or not at all; return where it lies then.

    Several processes may do that at once: each renames a copy of its own.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as work:
            os.replace(shutil.copy(made, work), target)
    except OSError:  # read-only, full, or not a folder
        return made
    return target


@functools.cache
def _folder() -> Path:
    """A folder that goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="course-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _shortened(said: str, most: int = 30) -> str:
    lines = re.sub(r"\n{2,}", "\n", said).splitlines()
    rest = f"\n… and {len(lines) - most} more lines" if len(lines) > most else ""
    return "\n".join(lines[:most]) + rest
