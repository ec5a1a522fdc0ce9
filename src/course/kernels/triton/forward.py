"""The forward kernel: one program computes one block of queries of one head."""

from __future__ import annotations

import triton
import triton.language as tl

from course.kernels.triton.tile import LOG2E, load_tile, score_tile, store_tile


@triton.jit
def forward(
    q, k, v, mask, bias, out, lse, q_strides, k_strides, v_strides, mask_strides,
    bias_strides, out_strides, n_query, n_key, group, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write outputs and log-sum-exps of BLOCK_Q queries."""
    first, head = tl.program_id(0) * BLOCK_Q, tl.program_id(1)
    batch = tl.program_id(2).to(tl.int64)
    q += batch * q_strides[0] + head * q_strides[1]
    k += batch * k_strides[0] + head // group * k_strides[1]
    v += batch * v_strides[0] + head // group * v_strides[1]
    out += batch * out_strides[0] + head * out_strides[1]
    lse += (batch * tl.num_programs(1) + head) * n_query
    if mask is not None:
        mask += batch * mask_strides[0] + head * mask_strides[1]
    if bias is not None:
        bias += batch * bias_strides[0] + head * bias_strides[1]

    rows = first + tl.arange(0, BLOCK_Q)
    queries = load_tile(q, rows, n_query, q_strides[2], D_K, PAD_K)
    top = tl.full((BLOCK_Q,), float("-inf"), WIDE)
    total = tl.zeros((BLOCK_Q,), WIDE)
    acc = tl.zeros((BLOCK_Q, PAD_V), WIDE)

    whole, end = n_key, n_key
    if CAUSAL:  # keys that all queries of the block see, and keys that any of them sees
        whole = tl.maximum(tl.minimum(n_key, first + n_key - n_query + 1), 0)
        end = tl.minimum(n_key, first + BLOCK_Q + n_key - n_query)
    whole = whole // BLOCK_K * BLOCK_K
    for edge in tl.static_range(2):  # tiles whose scores all count, then those at an edge
        for start in range(whole if edge else 0, end if edge else whole, BLOCK_K):
            top, total, acc = visit(
                top, total, acc, queries, k, v, mask, bias, k_strides, v_strides,
                mask_strides, bias_strides, rows, start, n_query, n_key, scale,
                D_K, D_V, PAD_K, PAD_V, CAUSAL, edge, PRECISION, WIDE, BLOCK_K,
            )  # fmt: skip

    total = tl.where(total == 0, 1, total)  # a row that sees nothing is zero
    averages = (acc / total[:, None]).to(out.dtype.element_ty)
    store_tile(out, averages, rows, n_query, out_strides[2], D_V, PAD_V)
    tl.store(lse + rows, (top + tl.log2(total)) / LOG2E, mask=rows < n_query)


@triton.jit
def visit(
    top, total, acc, queries, k, v, mask, bias, k_strides, v_strides, mask_strides,
    bias_strides, rows, start, n_query, n_key, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Take BLOCK_K more keys into account."""
    columns = start + tl.arange(0, BLOCK_K)
    keys = load_tile(k, columns, n_key, k_strides[2], D_K, PAD_K)
    scores = score_tile(
        queries, keys, rows[:, None], columns[None, :], mask, bias, mask_strides,
        bias_strides, n_query, n_key, scale,
        CAUSAL, EDGE, PRECISION, WIDE,
    )  # fmt: skip
    new = tl.maximum(top, tl.max(scores, 1))
    base = tl.where(new == float("-inf"), 0, new)  # nothing seen yet: avoid inf - inf
    shares = tl.exp2(scores - base[:, None])
    shrink = tl.exp2(top - base)
    values = load_tile(v, columns, n_key, v_strides[2], D_V, PAD_V)
    total = total * shrink + tl.sum(shares, 1)
    acc, shares = acc * shrink[:, None], shares.to(values.dtype)
    acc = tl.dot(shares, values, acc, input_precision=PRECISION, out_dtype=WIDE)
    return new, total, acc
