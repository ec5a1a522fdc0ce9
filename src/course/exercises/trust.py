"""Trust in a notebook: without it JupyterLab hides the scripts in its outputs."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

PATIENCE = 30


def trust(path: Path) -> None:
    """Sign a notebook as ``jupyter trust`` does, where Jupyter is installed; a failure is no matter."""
    if importlib.util.find_spec("jupyter") is None:
        return
    command = [sys.executable, "-m", "jupyter", "trust", str(path)]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
