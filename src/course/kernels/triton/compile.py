"""Compile the kernels ahead of time, for a GPU that need not be there, and count what the compiler made.

The compiler runs in a process of its own: in this one, Triton may interpret kernels instead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from course.kernels.triton.mode import VARIABLE

KERNELS = ("forward", "keys_and_values", "queries_and_bias")
DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64"}


@dataclass(frozen=True)
class Request:
    """What to compile.

    Attributes:
        kernel: One of `KERNELS`.
        arch: The GPU's compute capability without its point: 80 for an A100, 90 for an H100.
        dtype: Of queries, keys and values.
        width: Width of queries, keys and values.
        causal: Whether queries see only keys up to their own position.
        tile: Queries and keys of a tile.
        warps: How many warps compute a tile.
        stages: How many loads run ahead.
    """

    kernel: str = "forward"
    arch: int = 90
    dtype: str = "float16"
    width: int = 64
    causal: bool = True
    tile: tuple[int, int] = (128, 64)
    warps: int = 8
    stages: int = 3


@dataclass(frozen=True)
class Compiled:
    """What came of it.

    Attributes:
        ptx: The assembly code.
        shared: Bytes of shared memory that a program takes.
        registers: Registers that a thread takes.
        spilled: Bytes that a thread writes to slow memory because its registers do not suffice.
    """

    ptx: str
    shared: int
    registers: int
    spilled: int

    def count(self, instruction: str) -> int:
        """How often an instruction stands in the code, such as ``"wgmma.mma_async"`` or ``"mma.sync"``."""
        return len(re.findall(rf"^\s*(?:@!?%\w+\s+)?{re.escape(instruction)}\b", self.ptx, re.MULTILINE))

    def loops(self) -> list[list[str]]:
        """The instructions of each loop that holds no other loop, the one with most matrix products first."""
        lines = [line.split("//")[0].strip() for line in self.ptx.splitlines()]
        labels = {line[:-1]: at for at, line in enumerate(lines) if line.endswith(":")}
        jumps = [(labels[m[1]], at) for at, line in enumerate(lines) if (m := _jump(line)) and m[1] in labels]
        back = [(start, end) for start, end in jumps if start < end]
        inner = [a for a in back if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in back)]
        bodies = [[line for line in lines[start + 1 : end + 1] if _is_code(line)] for start, end in inner]
        return sorted(bodies, key=lambda body: -sum("mma" in line for line in body))


def compile(requests: Sequence[Request]) -> list[Compiled]:
    """Compile kernels in one new process.

    Args:
        requests: What to compile.

    Returns:
        The compiled kernels, in the order of the requests.

    Raises:
        ValueError: A kernel or a dtype is unknown.
        RuntimeError: The compiler refuses; its last words are quoted.
    """
    for request in requests:
        for name, known in ("kernel", KERNELS), ("dtype", tuple(DTYPES)):
            if getattr(request, name) not in known:
                raise ValueError(
                    f"compile: {name} must be one of {', '.join(known)}, but got {getattr(request, name)!r}."
                )
    ended = subprocess.run(
        [sys.executable, "-m", "course.kernels.triton.compiler"],
        input=json.dumps([asdict(request) for request in requests]),
        capture_output=True,
        text=True,
        env=os.environ | {VARIABLE: "0"},
    )
    if ended.returncode:
        raise RuntimeError(f"compile: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")
    return [_measured(ptx, shared) for ptx, shared in json.loads(ended.stdout)]


def _measured(ptx: str, shared: int) -> Compiled:
    """Ask NVIDIA's assembler, which comes with Triton, for registers."""
    from triton.backends import nvidia

    target = re.search(r"^\.target (\w+)", ptx, re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        assembler = Path(nvidia.__file__).parent / "bin" / "ptxas"
        command = [assembler, "-v", f"-arch={target}", source, "-o", os.devnull]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers = re.search(r"Used (\d+) registers", said)
    spilled = re.search(r"(\d+) bytes spill stores", said)
    return Compiled(ptx, shared, int(registers[1]), int(spilled[1]) if spilled else 0)


def _jump(line: str) -> re.Match | None:
    return re.search(r"\bbra(?:\.uni)?\s+(\$\w+)", line)


def _is_code(line: str) -> bool:
    return line.endswith(";") and not line.startswith(".")
