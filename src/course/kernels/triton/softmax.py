"""Softmax in one kernel: a row is read once and written once, whatever happens to it in between."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from course.kernels.triton.mode import refuse
from course.shapes import checked


@triton.jit
def softmax_kernel(x, out, stride, n_columns, PADDED: tl.constexpr):
    """Write the softmax of one row."""
    row, columns = tl.program_id(0), tl.arange(0, PADDED)
    scores = tl.load(
        x + row * stride + columns, mask=columns < n_columns, other=float("-inf")
    )
    shares = tl.exp(scores - tl.max(scores, 0))
    tl.store(
        out + row * n_columns + columns,
        shares / tl.sum(shares, 0),
        mask=columns < n_columns,
    )


@checked
def softmax(x: Float[Tensor, "query key"]) -> Float[Tensor, "query key"]:
    """Softmax over the last axis of a matrix, equation :eq:`stable-softmax`.

    Args:
        x: Scores, one row for each query. A row must fit into one program.

    Raises:
        TypeError: It is not a tensor of floats.
        ValueError: It is not a matrix, or the kernel cannot run on it.
    """
    refuse("softmax", softmax_kernel, x)
    x = x if x.stride(1) == 1 else x.contiguous()
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    padded = triton.next_power_of_2(x.shape[1])
    softmax_kernel[(x.shape[0],)](x, out, x.stride(0), x.shape[1], PADDED=padded)
    return out
