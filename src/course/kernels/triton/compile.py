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
JUMP = re.compile(r"\bbra(?:\.uni)?\s+(\$\w+)")
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
        extras: Whether there are a mask and a bias, whose gradient is wanted.
        tile: Queries and keys of a tile.
        warps: How many warps compute a tile.
        stages: How many loads run ahead.
    """

    kernel: str = "forward"
    arch: int = 90
    dtype: str = "float16"
    width: int = 64
    causal: bool = True
    extras: bool = False
    tile: tuple[int, int] = (128, 64)
    warps: int = 8
    stages: int = 3


class Code(list[str]):
    """Instructions of PTX, one in a line; what is no instruction is left out."""

    def __init__(self, lines: Sequence[str]) -> None:
        stripped = (line.strip() for line in lines)
        super().__init__(
            line for line in stripped if line.endswith(";") and not line.startswith(".")
        )

    def count(self, instruction: str) -> int:
        """How many of them are `instruction`, whatever types follow its name."""
        pattern = re.compile(rf"(@!?%\w+\s+)?{re.escape(instruction)}\b")
        return sum(pattern.match(line) is not None for line in self)


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
        return Code(self.ptx.splitlines()).count(instruction)

    @property
    def loops(self) -> list[Code]:
        """The loops that hold no other loop, in the order of the code."""
        lines = [line.split("//")[0].strip() for line in self.ptx.splitlines()]
        labels = {line[:-1]: at for at, line in enumerate(lines) if line.endswith(":")}
        jumps = [(JUMP.search(line), at) for at, line in enumerate(lines)]
        back = [
            (labels[found[1]], at) for found, at in jumps if found and labels[found[1]] < at
        ]
        inner = [
            a
            for a in back
            if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in back)
        ]
        return [Code(lines[start + 1 : end + 1]) for start, end in inner]


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
    told = [asdict(request) | {"numbers": DTYPES[request.dtype]} for request in requests]
    ended = subprocess.run(
        [sys.executable, "-m", "course.kernels.triton.compiler"],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        env=os.environ | {VARIABLE: "0"},
    )
    if ended.returncode:
        raise RuntimeError(
            f"compile: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}"
        )
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
