"""What a measurement was made on and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

import torch

PACKAGES = ("course", "torch", "numpy", "numba", "triton")


def machine() -> dict[str, object]:
    """The processor, its number, the threads that torch uses, and the GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """The versions of Python, of the packages that matter, and of the compiler."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    from course.kernels.cpu import NoCompiler, compiler

    try:
        said = subprocess.run(
            [*compiler(), "--version"], capture_output=True, text=True
        ).stdout
        found["compiler"] = said.partition("\n")[0]
    except NoCompiler:
        found["compiler"] = "none"
    return found


def command() -> str:
    """The command line of this process, without the folder of the program."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _processor() -> str:
    return re.sub(
        r"\((R|TM)\)",
        "",
        _by_linux() or _by_macos() or platform.processor() or platform.machine(),
    )


def _by_linux() -> str | None:
    info = Path("/proc/cpuinfo")
    named = info.exists() and re.search(r"model name\s*:\s*(.+)", info.read_text())
    return named[1] if named else None


def _by_macos() -> str | None:
    try:
        said = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True
        )
    except OSError:
        return None
    return said.stdout.strip() or None
