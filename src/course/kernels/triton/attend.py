"""Attention by the Triton kernels, as a backend of :func:`course.attention.attend`."""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from course.kernels.once import once
from course.kernels.triton.backward import keys_and_values, queries_and_bias, row_means
from course.kernels.triton.forward import forward
from course.kernels.triton.mode import compiled, refuse
from course.kernels.triton.tuning import tuned

INTERPRETED_TILE = (64, 64)
"""Queries and keys of a tile in the interpreter, whose time grows with the number of tiles."""


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
    tile: tuple[int, int] | None = None,
) -> Tensor:
    """Compute attention by Triton kernels, equations :eq:`flash-forward` and :eq:`flash-backward`.

    Args:
        q: Queries.
        k: Keys, perhaps with fewer heads.
        v: Values, with the heads of `k`.
        mask: True where a query may attend to a key, or None.
        bias: Added to the scores, or None. Its gradient takes as much memory as all scores.
        causal: Attend only to keys up to the query's own position, aligned at the last key.
        scale: The factor on the dot products.
        tile: Queries and keys of a tile, powers of two from 16; by default tuned on a GPU.

    Returns:
        One weighted average of the values per query, in the dtype of `q`.

    Raises:
        ValueError: The kernels cannot run on this device or with this dtype.
    """
    refuse("attend: backend='triton'", forward, q)
    shape = (*q.shape[:-1], v.shape[-1])
    lead = (math.prod(q.shape[:-3]), *q.shape[-3:-2]) if q.ndim > 2 else (1, 1)
    pairs = (*q.shape[:-1], k.shape[-2])
    mask, bias = (
        x if x is None else x.expand(pairs).reshape(*lead, *pairs[-2:])
        for x in (mask, bias)
    )
    q = q.reshape(*lead, *q.shape[-2:])
    k, v = (x.reshape(lead[0], -1, *x.shape[-2:]) for x in (k, v))
    return _Triton.apply(q, k, v, bias, mask, causal, scale, tile).reshape(shape)


class _Triton(torch.autograd.Function):
    """Launch the kernels; all tensors are (batch, heads, time, width)."""

    @staticmethod
    def forward(ctx: Any, q, k, v, bias, mask, causal, scale, tile):
        q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
        seen = None if mask is None else mask.view(torch.uint8)
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        lse = q.new_empty(q.shape[:-1], dtype=_wide(q))
        common = _common(q, k, v, causal, scale)
        _launch(forward, "forward", tile, _by_queries(q), (
            q, k, v, seen, bias, out, lse, *map(_strides, (q, k, v, seen, bias, out)),
        ), common)  # fmt: skip
        ctx.save_for_backward(q, k, v, bias, seen, out, lse)
        ctx.common, ctx.tile = common, tile
        return out

    @staticmethod
    @once
    def backward(ctx: Any, grad):
        q, k, v, bias, seen, out, lse = ctx.saved_tensors
        grad, mean = grad.contiguous(), torch.empty_like(lse)
        dq, dk, dv = (
            torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v)
        )
        wanted = bias is not None and ctx.needs_input_grad[3]
        dbias = (
            torch.zeros(bias.shape, dtype=lse.dtype, device=q.device) if wanted else None
        )
        rows, width = mean.numel(), v.shape[-1]
        row_means[(triton.cdiv(rows, 64),)](
            out, grad, mean, rows, width, _padded(width), 64
        )
        inputs = (q, k, v, seen, bias, grad, lse, mean)
        of_inputs = tuple(map(_strides, (q, k, v, seen, bias, grad)))
        _launch(keys_and_values, "backward", ctx.tile, _by_keys(k), (
            *inputs, dk, dv, *of_inputs, _strides(dk), _strides(dv)
        ), ctx.common)  # fmt: skip
        _launch(queries_and_bias, "backward", ctx.tile, _by_queries(q), (
            *inputs, dq, dbias, *of_inputs, _strides(dq)
        ), ctx.common)  # fmt: skip
        dbias = dbias if dbias is None else dbias.to(bias.dtype)
        return dq, dk, dv, dbias, None, None, None, None


def _launch(
    kernel: Any, kind: str, tile: tuple | None, grid: Any, tensors: tuple, common: dict
) -> None:
    """Run a kernel with the tile that was asked for, or with the best one for these sizes on a GPU."""
    if tile is None and compiled(kernel):
        tuned(kernel, kind)[grid](*tensors, **common)
    else:
        block_q, block_k = tile or INTERPRETED_TILE
        kernel[grid](*tensors, **common, BLOCK_Q=block_q, BLOCK_K=block_k)


def _common(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float) -> dict[str, Any]:
    return {
        "n_query": q.shape[-2], "n_key": k.shape[-2], "group": q.shape[1] // k.shape[1], "scale": scale,
        "D_K": q.shape[-1], "D_V": v.shape[-1], "PAD_K": _padded(q.shape[-1]), "PAD_V": _padded(v.shape[-1]),
        "CAUSAL": causal, "PRECISION": "tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee",
        "WIDE": tl.float64 if _wide(q) == torch.float64 else tl.float32,
    }  # fmt: skip


def _by_queries(q: Tensor) -> Any:
    return lambda meta: (triton.cdiv(q.shape[-2], meta["BLOCK_Q"]), q.shape[1], q.shape[0])


def _by_keys(k: Tensor) -> Any:
    return lambda meta: (triton.cdiv(k.shape[-2], meta["BLOCK_K"]), k.shape[1], k.shape[0])


def _strides(x: Tensor | None) -> tuple[int, ...]:
    return (0, 0, 0, 0) if x is None else x.stride()


def _padded(width: int) -> int:
    """The width of a tile: a power of two, and at least what a product of tiles takes."""
    return max(16, triton.next_power_of_2(width))


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32
