"""The first kernel: the sum of two vectors, one block of numbers for each program."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from course.kernels.triton.mode import refuse
from course.shapes import Size, checked


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    """Add BLOCK numbers."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(
        out + at, tl.load(x + at, mask=inside) + tl.load(y + at, mask=inside), mask=inside
    )


@checked
def add(
    x: Float[Tensor, "*shape"], y: Float[Tensor, "*shape"], block: Size = 1024
) -> Float[Tensor, "*shape"]:
    """Add two tensors of one shape.

    Args:
        x: Any numbers.
        y: As many numbers.
        block: Numbers for each program, a power of two.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or the kernel cannot run on them.
    """
    refuse("add", add_kernel, x)
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    grid = (triton.cdiv(x.numel(), block),)
    add_kernel[grid](x.contiguous(), y.contiguous(), out, x.numel(), BLOCK=block)
    return out
