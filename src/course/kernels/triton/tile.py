"""What the kernels of attention share: reading, writing and scoring one tile."""

from __future__ import annotations

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
"""Factor from nats to bits: a GPU has an instruction for powers of two."""


@triton.jit
def load_tile(x, rows, n_rows, stride, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """Read some rows of a matrix; rows past its end, and columns that pad its width, are zero."""
    columns = tl.arange(0, PADDED)
    inside = (rows < n_rows)[:, None]
    if WIDTH < PADDED:
        inside = inside & (columns < WIDTH)[None, :]
    return tl.load(x + rows[:, None] * stride + columns[None, :], mask=inside, other=0.0)


@triton.jit
def store_tile(x, tile, rows, n_rows, stride, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """Write some rows of a matrix, without what :func:`load_tile` added."""
    columns = tl.arange(0, PADDED)
    inside = (rows < n_rows)[:, None]
    if WIDTH < PADDED:
        inside = inside & (columns < WIDTH)[None, :]
    tl.store(x + rows[:, None] * stride + columns[None, :], tile, mask=inside)


@triton.jit
def score_tile(
    left, right, queries, keys, mask, bias, mask_strides, bias_strides, n_query, n_key, scale,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Scores in bits of a tile of queries (`left`) and keys (`right`), or of keys and queries.

    `queries` and `keys` are positions, one of them a column and the other a row. A pair that is masked, or,
    in a tile at an EDGE, past the last key or ahead of its query, has a score of minus infinity.
    """
    scores = tl.dot(left, tl.trans(right), input_precision=PRECISION, out_dtype=WIDE) * (
        scale * LOG2E
    )
    inside = (queries < n_query) & (keys < n_key)
    if bias is not None:
        added = tl.load(
            bias + queries * bias_strides[2] + keys * bias_strides[3],
            mask=inside,
            other=0.0,
        )
        scores += added.to(scores.dtype) * LOG2E
    if mask is not None:
        seen = tl.load(
            mask + queries * mask_strides[2] + keys * mask_strides[3], mask=inside, other=0
        )
        scores = tl.where(seen != 0, scores, float("-inf"))
    if EDGE:
        seen = keys < n_key
        if CAUSAL:
            seen = seen & (keys <= queries + (n_key - n_query))
        scores = tl.where(seen, scores, float("-inf"))
    return scores
