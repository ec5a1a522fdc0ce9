"""Compile C++ with the compiler of the system, once, and load what came out of it."""

from __future__ import annotations

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
from pathlib import Path

HERE = Path(__file__).parent
COMPILERS = ("g++", "clang++", "c++")
NATIVE = "-march=native"
FLAGS = (
    *("-std=c++17", "-O3", NATIVE, "-fPIC", "-shared", "-pthread"),
    # Nobody reads errno or floating-point traps, and 0 may lose its sign. Not -ffast-math: it would also
    # let the compiler assume that minus infinity, the score of a masked key, never occurs.
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)


class NoCompiler(RuntimeError):
    """There is no C++ compiler on this computer."""


class CompileError(RuntimeError):
    """The compiler refused the source; the text is what it said."""


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
        CompileError: The compiler refused the source, or the result cannot be kept.
    """
    return ctypes.CDLL(str(compiled(source, flags)))


def compiled(source: str | Path, flags: tuple[str, ...] = FLAGS) -> Path:
    """Return the file of a shared library compiled from `source`, now or earlier.

    The library lies in a cache of the user under a name made from the source, the headers of this folder,
    the flags, and what the compiler says of itself and of the processor. Several processes may build the
    same at once: each writes a file of its own and renames it when it is complete.

    Args:
        source: C++ text, or the path of a file.
        flags: Options of the compiler.

    Returns:
        The path of the library.

    Raises:
        NoCompiler: There is no compiler.
        CompileError: The compiler refused the source, or the result cannot be kept.
    """
    text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
    command = compiler()
    flags = (
        flags
        if _answers(tuple(command), flags)
        else tuple(flag for flag in flags if flag != NATIVE)
    )
    headers = "".join(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.h")))
    parts = ["linked apart", text, headers, *flags, _answers(tuple(command), flags)]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    target = cache() / f"{key}.so"
    if not target.exists():
        _compile(text, [*command, *flags, "-I", str(HERE)], target)
    return target


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


@functools.lru_cache
def _answers(command: tuple[str, ...], flags: tuple[str, ...]) -> str:
    """The macros that the compiler predefines (its version, what the processor can do); "" if it refuses."""
    ask = [*command, *flags, "-dM", "-E", "-x", "c++", os.devnull]
    ended = subprocess.run(ask, capture_output=True, text=True)
    return ended.stdout if ended.returncode == 0 else ""


def _compile(text: str, command: list[str], target: Path) -> None:
    folder = _writable(target.parent)
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as work:
        source, part, made = (
            Path(work, "source.cpp"),
            Path(work, "part.o"),
            Path(work, "made.so"),
        )
        source.write_text(text, encoding="utf-8")
        # Linked apart, without the flags: told of -ffast-math, GCC links in start-up code that makes the
        # whole process, torch included, take numbers near 1e-40 for zero.
        link = [*compiler(), "-shared", "-pthread", str(part), "-o", str(made)]
        for step in ([*command, "-c", str(source), "-o", str(part)], link):
            ended = subprocess.run(
                step, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}
            )
            if ended.returncode != 0:
                said = ended.stderr.replace(str(source), "source.cpp")
                raise CompileError(
                    f"The C++ compiler refused the source:\n{_shortened(said)}"
                )
        os.replace(made, target)


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompileError(
            f"Built kernels cannot be kept in {folder} ({error.strerror}); set COURSE_CACHE to a folder that "
            "can be written."
        ) from error
    return folder


def _shortened(said: str, most: int = 30) -> str:
    lines = re.sub(r"\n{2,}", "\n", said).splitlines()
    rest = f"\n… and {len(lines) - most} more lines" if len(lines) > most else ""
    return "\n".join(lines[:most]) + rest
