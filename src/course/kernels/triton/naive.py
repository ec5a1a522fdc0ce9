"""Attention in three kernels, as the formula is read: scores, weights, averages. Each goes through memory."""

from __future__ import annotations

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from course.kernels.triton.mode import refuse
from course.kernels.triton.softmax import softmax
from course.kernels.triton.tile import load_tile, store_tile
from course.shapes import checked


@triton.jit
def score_kernel(
    q, k, scores, n_query, n_key, scale,
    D_K: tl.constexpr, PAD_K: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write one tile of the scores."""
    rows = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    columns = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    queries = load_tile(q, rows, n_query, D_K, D_K, PAD_K)
    keys = load_tile(k, columns, n_key, D_K, D_K, PAD_K)
    tile = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
    inside = (rows < n_query)[:, None] & (columns < n_key)[None, :]
    tl.store(scores + rows[:, None] * n_key + columns[None, :], tile, mask=inside)


@triton.jit
def average_kernel(
    weights, v, out, n_query, n_key,
    D_V: tl.constexpr, PAD_V: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write the outputs of BLOCK_Q queries."""
    rows = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    acc = tl.zeros((BLOCK_Q, PAD_V), tl.float32)
    for start in range(0, n_key, BLOCK_K):
        columns = start + tl.arange(0, BLOCK_K)
        inside = (rows < n_query)[:, None] & (columns < n_key)[None, :]
        shares = tl.load(
            weights + rows[:, None] * n_key + columns[None, :], mask=inside, other=0.0
        )
        acc = tl.dot(
            shares,
            load_tile(v, columns, n_key, D_V, D_V, PAD_V),
            acc,
            input_precision="ieee",
        )
    store_tile(out, acc, rows, n_query, D_V, D_V, PAD_V)


@checked
def naive(
    q: Float[Tensor, "query d_k"],
    k: Float[Tensor, "key d_k"],
    v: Float[Tensor, "key d_v"],
    tile: tuple[int, int] = (64, 64),
) -> Float[Tensor, "query d_v"]:
    """Attention of one head in float32 by three kernels, as :eq:`attention` is read.

    The matrices of scores and of weights lie in memory between them.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        tile: Queries and keys of a tile, powers of two from 16.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or the kernels cannot run on them.
    """
    refuse("naive", score_kernel, q)
    q, k, v = (x.contiguous() for x in (q, k, v))
    (n_query, d_k), (n_key, d_v), (block_q, block_k) = q.shape, v.shape, tile
    pad_k, pad_v = (max(16, triton.next_power_of_2(width)) for width in (d_k, d_v))
    scores, out = q.new_empty(n_query, n_key), q.new_empty(n_query, d_v)
    blocks = triton.cdiv(n_query, block_q), triton.cdiv(n_key, block_k)
    score_kernel[blocks](
        q, k, scores, n_query, n_key, d_k**-0.5, d_k, pad_k, block_q, block_k
    )
    average_kernel[blocks[:1]](
        softmax(scores), v, out, n_query, n_key, d_v, pad_v, block_q, block_k
    )
    return out
