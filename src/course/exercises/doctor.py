"""Whether this computer has what the course needs, and what to do where it has not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

GIGABYTE = 1024**3


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked for.
        ok: Whether it is there.
        found: What was found.
        advice: What to do if it is missing.
        optional: Whether most of the course works without it.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    optional: bool = False


def examine() -> list[Finding]:
    """Look for everything, in the order in which it is needed."""
    looks: list[Callable[[], Finding]] = [
        _python,
        lambda: _package("course", "pip install -e ."),
        lambda: _package("torch", "pip install -r requirements.txt"),
        _processor,
        _memory,
        lambda: _package("nbval", "pip install -r requirements.txt"),
        lambda: _package(
            "jupyterlab", "pip install jupyterlab, or open the notebooks in an editor", True
        ),
        _kernel,
        lambda: _program(
            "chromium",
            ("chromium", "chromium-browser", "google-chrome"),
            "to print the book as PDF",
        ),
        _compiler,
        lambda: _package(
            "triton",
            "It is published for Linux only; the chapter on Triton needs it.",
            True,
        ),
        _backends,
    ]
    return [look() for look in looks]


def _python() -> Finding:
    return Finding(
        "python",
        sys.version_info >= (3, 11),
        platform.python_version(),
        "Install Python 3.11 or later.",
    )


def _package(name: str, advice: str, optional: bool = False) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "", advice, optional)


def _processor() -> Finding:
    try:
        from course.bench.machine import machine
    except (
        Exception
    ) as error:  # a broken installation of torch raises OSError, RuntimeError, ...
        return Finding(
            "processor",
            False,
            f"torch does not load ({type(error).__name__})",
            "Install torch anew.",
        )
    here = machine()
    threads = f"{here['threads']} threads on {here['processors']} processors"
    return Finding(
        "processor",
        True,
        f"{here['processor']}, torch uses {here['vectors']} and {threads}",
    )


def _memory() -> Finding:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return Finding("memory", True, "unknown")
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIGABYTE
    return Finding(
        "memory", size >= 4, f"{size:.0f} GB", "4 GB are needed; close other programs."
    )


def _backends() -> Finding:
    """What `attend(backend="auto")` chooses here, for short and for long sequences in float32."""
    try:
        import torch

        from course.kernels.choice import SMALL, choose
    except Exception as error:
        return Finding("attend", False, type(error).__name__, "Install torch anew.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    choices = [choose(device, torch.float32, n_pairs) for n_pairs in (1, SMALL + 1)]
    said = dict.fromkeys(f"{choice.backend} ({choice.reason})" for choice in choices)
    return Finding("attend", True, f"backend='auto' is {', else '.join(said)}")


def _kernel() -> Finding:
    from course.exercises.session import Session

    session = Session(".", 30)
    try:
        session.start()
        reply = session.run("print(6 * 7)")
    except Exception as error:
        return Finding(
            "kernel", False, type(error).__name__, "pip install -r requirements.txt"
        )
    finally:
        session.stop()
    return Finding(
        "kernel",
        reply.printed == "42\n",
        "starts",
        "pip install --force-reinstall ipykernel",
    )


def _compiler() -> Finding:
    """A compiler that is there may still fail: it builds the kernels, and one of them runs."""
    try:
        from course.kernels.cpu import compiler, try_out

        found = shlex.join(compiler())
        try_out()
    except Exception as error:
        said = textwrap.shorten(str(error), 200, placeholder=" …")
        advice = (
            "Install g++, or name another compiler in CXX, for the chapter on CPU kernels."
        )
        return Finding("compiler", False, "", f"{said} {advice}", optional=True)
    return Finding("compiler", True, f"{found} (it builds the kernels, and they run)")


def _program(name: str, commands: tuple[str, ...], purpose: str) -> Finding:
    found = next(filter(None, map(shutil.which, commands)), None)
    return Finding(
        name,
        found is not None,
        found or "",
        f"Install {commands[0]} {purpose}.",
        optional=True,
    )
