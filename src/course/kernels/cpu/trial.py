"""Whether the C++ kernels work on this computer: they are built, and one of them is run."""

from __future__ import annotations

import torch

from course.kernels.cpu.attend import attend
from course.kernels.cpu.build import CompileError
from course.kernels.cpu.interface import kernel


def try_out() -> None:
    """Build both kernels and let one query attend to one key: its output is the value of that key.

    Raises:
        NoCompiler: There is no C++ compiler.
        CompileError: The compiler does not work, or what it made computes something else.
    """
    kernel("backward")
    q = k = torch.ones(1, 1)
    v = torch.arange(20.0).unsqueeze(0)
    out = attend(q, k, v, mask=None, bias=None, causal=False, scale=1.0)
    if not torch.allclose(out, v):
        raise CompileError(
            f"The C++ kernels compute something else: {out.tolist()}, not {v.tolist()}."
        )
