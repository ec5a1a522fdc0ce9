"""How much memory a computation takes beyond its inputs, measured in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
SMALL = 64
"""The length of the run that loads every library before the run that counts."""


def extra_memory(
    name: str,
    n: int,
    *,
    causal: bool,
    backward: bool,
    heads: int = 1,
    width: int = 64,
    timeout: float = 900,
) -> float:
    """Measure what a subject needs beyond the queries, keys and values.

    A new process runs the subject on a short sequence first, so that libraries are loaded; then it makes the
    inputs, notes the largest size that it has had, runs once, and subtracts. Outputs and gradients count.

    Args:
        name: A key of `course.bench.subjects.SUBJECTS`.
        n: Queries, and keys.
        causal: Whether the attention is causal.
        backward: Whether to run the backward pass too.
        heads: Heads.
        width: Width of a head.
        timeout: Seconds after which to give up.

    Returns:
        The largest size of the process during the run, less its size before, in MiB.

    Raises:
        RuntimeError: The process failed; the message is its last line.
    """
    command = [
        sys.executable,
        "-m",
        "course.bench.memory",
        name,
        str(n),
        str(heads),
        str(width),
    ]
    command += ["--causal"] * causal + ["--backward"] * backward
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no answer after {timeout:.0f} seconds") from error
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"ended with status {ended.returncode}")
    return float(ended.stdout.split()[-1])


def forget() -> None:
    """Let :func:`largest_size` start from now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def largest_size() -> float:
    """The MiB of memory that this process has had in use at most."""
    if STATUS.exists():
        # getrusage would count the parent too: its size is inherited when a process is started.
        return int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1]) / 1024
    import resource

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def available() -> float:
    """The MiB of memory that are free for use; infinity where nothing says so."""
    info = Path("/proc/meminfo")
    if info.exists():
        return int(re.search(r"MemAvailable:\s+(\d+) kB", info.read_text())[1]) / 1024
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**2
    return float("inf")


def main() -> None:
    """Measure one subject in this process, and print the MiB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    for size in ("n", "heads", "width"):
        parser.add_argument(size, type=int)
    for flag in ("--causal", "--backward"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()

    import torch

    from course.bench.subjects import SUBJECTS

    def inputs(n: int) -> list[torch.Tensor]:
        shape = (1, args.heads, n, args.width)
        return [torch.randn(shape, requires_grad=args.backward) for _ in range(3)]

    def run(tensors: list[torch.Tensor]) -> None:
        n = tensors[0].shape[-2]
        attention = SUBJECTS[args.name].make(n, args.causal, torch.device("cpu"))
        out = attention(*tensors, args.causal)
        if args.backward:
            out.backward(torch.ones_like(out))

    run(inputs(SMALL))
    tensors = inputs(args.n)
    forget()
    before = largest_size()
    run(tensors)
    print(largest_size() - before)


if __name__ == "__main__":
    main()
