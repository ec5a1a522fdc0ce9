"""The backward kernels: one for the row means, one for keys and values, one for queries and a bias."""

from __future__ import annotations

import triton
import triton.language as tl

from course.kernels.triton.tile import LOG2E, load_tile, score_tile, store_tile


@triton.jit
def row_means(
    out, grad, mean, n_rows, D_V: tl.constexpr, PAD_V: tl.constexpr, BLOCK_Q: tl.constexpr
):
    """Write :math:`D_i = o_i \\cdot do_i` for BLOCK_Q rows of two matrices without gaps between the rows."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    wide = mean.dtype.element_ty
    outputs = load_tile(out, rows, n_rows, D_V, D_V, PAD_V).to(wide)
    pushes = load_tile(grad, rows, n_rows, D_V, D_V, PAD_V).to(wide)
    tl.store(mean + rows, tl.sum(outputs * pushes, 1), mask=rows < n_rows)


@triton.jit
def keys_and_values(
    q, k, v, mask, bias, grad, lse, mean, dk, dv, q_strides, k_strides, v_strides,
    mask_strides, bias_strides, grad_strides, dk_strides, dv_strides, n_query, n_key,
    group, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write gradients of BLOCK_K keys and values, summed over all queries of all heads that share them.

    A tile is computed with the keys as its rows, so that the products below need no transpose of it.
    """
    start, shared = tl.program_id(0) * BLOCK_K, tl.program_id(1)
    batch = tl.program_id(2).to(tl.int64)
    columns = start + tl.arange(0, BLOCK_K)
    k += batch * k_strides[0] + shared * k_strides[1]
    v += batch * v_strides[0] + shared * v_strides[1]
    keys = load_tile(k, columns, n_key, k_strides[2], D_K, PAD_K)
    values = load_tile(v, columns, n_key, v_strides[2], D_V, PAD_V)
    to_keys = tl.zeros((BLOCK_K, PAD_K), WIDE)
    to_values = tl.zeros((BLOCK_K, PAD_V), WIDE)

    begin, whole = 0, 0
    if (
        CAUSAL
    ):  # the first query that sees a key of the block, and the first that sees them all
        begin = tl.maximum(start + n_query - n_key, 0) // BLOCK_Q * BLOCK_Q
        whole = (
            tl.maximum(start + BLOCK_K - 1 + n_query - n_key + BLOCK_Q - 1, 0)
            // BLOCK_Q
            * BLOCK_Q
        )
    if start + BLOCK_K > n_key:
        whole = n_query  # keys past the end have no finite score
    for head in range(shared * group, (shared + 1) * group):
        mask_of, bias_of = mask, bias
        if mask is not None:
            mask_of = mask + batch * mask_strides[0] + head * mask_strides[1]
        if bias is not None:
            bias_of = bias + batch * bias_strides[0] + head * bias_strides[1]
        q_of = q + batch * q_strides[0] + head * q_strides[1]
        grad_of = grad + batch * grad_strides[0] + head * grad_strides[1]
        row = (batch * tl.num_programs(1) * group + head) * n_query
        for edge in tl.static_range(2):
            stop = tl.minimum(whole, n_query) if edge else n_query
            for first in range(begin if edge else whole, stop, BLOCK_Q):
                to_keys, to_values = visit_queries(
                    to_keys, to_values, keys, values, q_of, grad_of, lse + row,
                    mean + row, mask_of, bias_of, q_strides, grad_strides, mask_strides,
                    bias_strides, columns, first, n_query, n_key, scale,
                    D_K, D_V, PAD_K, PAD_V, CAUSAL, edge, PRECISION, WIDE, BLOCK_Q,
                )  # fmt: skip

    dk += batch * dk_strides[0] + shared * dk_strides[1]
    dv += batch * dv_strides[0] + shared * dv_strides[1]
    store_tile(
        dk,
        (to_keys * scale).to(dk.dtype.element_ty),
        columns,
        n_key,
        dk_strides[2],
        D_K,
        PAD_K,
    )
    store_tile(
        dv, to_values.to(dv.dtype.element_ty), columns, n_key, dv_strides[2], D_V, PAD_V
    )


@triton.jit
def visit_queries(
    to_keys, to_values, keys, values, q, grad, lse, mean, mask, bias, q_strides,
    grad_strides, mask_strides, bias_strides, columns, first, n_query, n_key, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_Q: tl.constexpr,
):  # fmt: skip
    """Add what BLOCK_Q more queries say about the keys and values."""
    rows = first + tl.arange(0, BLOCK_Q)
    queries = load_tile(q, rows, n_query, q_strides[2], D_K, PAD_K)
    pushes = load_tile(grad, rows, n_query, grad_strides[2], D_V, PAD_V)
    scores = score_tile(
        keys, queries, rows[None, :], columns[:, None], mask, bias, mask_strides,
        bias_strides, n_query, n_key, scale,
        CAUSAL, EDGE, PRECISION, WIDE,
    )  # fmt: skip
    weights = tl.exp2(scores - finite_bits(lse, rows, n_query)[None, :])
    narrow = weights.to(pushes.dtype)
    to_values = tl.dot(narrow, pushes, to_values, input_precision=PRECISION, out_dtype=WIDE)
    means = tl.load(mean + rows, mask=rows < n_query, other=0.0)
    push = tl.dot(values, tl.trans(pushes), input_precision=PRECISION, out_dtype=WIDE)
    signal = weights * (push - means[None, :])
    narrow = signal.to(queries.dtype)
    to_keys = tl.dot(narrow, queries, to_keys, input_precision=PRECISION, out_dtype=WIDE)
    return to_keys, to_values


@triton.jit
def queries_and_bias(
    q, k, v, mask, bias, grad, lse, mean, dq, dbias, q_strides, k_strides, v_strides,
    mask_strides, bias_strides, grad_strides, dq_strides, n_query, n_key, group, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write gradients of BLOCK_Q queries, and of the scores where a bias needs them."""
    first, head = tl.program_id(0) * BLOCK_Q, tl.program_id(1)
    batch = tl.program_id(2).to(tl.int64)
    rows = first + tl.arange(0, BLOCK_Q)
    row = (batch * tl.num_programs(1) + head) * n_query
    q += batch * q_strides[0] + head * q_strides[1]
    k += batch * k_strides[0] + head // group * k_strides[1]
    v += batch * v_strides[0] + head // group * v_strides[1]
    grad += batch * grad_strides[0] + head * grad_strides[1]
    if mask is not None:
        mask += batch * mask_strides[0] + head * mask_strides[1]
    if bias is not None:
        bias += batch * bias_strides[0] + head * bias_strides[1]
    if dbias is not None:
        dbias += row * n_key
    queries = load_tile(q, rows, n_query, q_strides[2], D_K, PAD_K)
    pushes = load_tile(grad, rows, n_query, grad_strides[2], D_V, PAD_V)
    bits = finite_bits(lse + row, rows, n_query)
    means = tl.load(mean + row + rows, mask=rows < n_query, other=0.0)
    to_queries = tl.zeros((BLOCK_Q, PAD_K), WIDE)

    whole, end = n_key, n_key
    if CAUSAL:
        whole = tl.maximum(tl.minimum(n_key, first + n_key - n_query + 1), 0)
        end = tl.minimum(n_key, first + BLOCK_Q + n_key - n_query)
    whole = whole // BLOCK_K * BLOCK_K
    for edge in tl.static_range(2):
        for start in range(whole if edge else 0, end if edge else whole, BLOCK_K):
            to_queries = visit_keys(
                to_queries, queries, pushes, bits, means, k, v, mask, bias, dbias,
                k_strides, v_strides, mask_strides, bias_strides, rows, start, n_query,
                n_key, scale,
                D_K, D_V, PAD_K, PAD_V, CAUSAL, edge, PRECISION, WIDE, BLOCK_K,
            )  # fmt: skip

    dq += batch * dq_strides[0] + head * dq_strides[1]
    store_tile(
        dq,
        (to_queries * scale).to(dq.dtype.element_ty),
        rows,
        n_query,
        dq_strides[2],
        D_K,
        PAD_K,
    )


@triton.jit
def visit_keys(
    to_queries, queries, pushes, bits, means, k, v, mask, bias, dbias, k_strides,
    v_strides, mask_strides, bias_strides, rows, start, n_query, n_key, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr,
    WIDE: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Add what BLOCK_K more keys say about the queries."""
    columns = start + tl.arange(0, BLOCK_K)
    keys = load_tile(k, columns, n_key, k_strides[2], D_K, PAD_K)
    values = load_tile(v, columns, n_key, v_strides[2], D_V, PAD_V)
    scores = score_tile(
        queries, keys, rows[:, None], columns[None, :], mask, bias, mask_strides,
        bias_strides, n_query, n_key, scale,
        CAUSAL, EDGE, PRECISION, WIDE,
    )  # fmt: skip
    weights = tl.exp2(scores - bits[:, None])
    push = tl.dot(pushes, tl.trans(values), input_precision=PRECISION, out_dtype=WIDE)
    signal = weights * (push - means[:, None])
    if dbias is not None:
        inside = (rows < n_query)[:, None] & (columns < n_key)[None, :]
        tl.store(dbias + rows[:, None] * n_key + columns[None, :], signal, mask=inside)
    narrow = signal.to(keys.dtype)
    return tl.dot(narrow, keys, to_queries, input_precision=PRECISION, out_dtype=WIDE)


@triton.jit
def finite_bits(lse, rows, n_rows):
    """Log-sum-exps in bits; zero for a row that sees nothing, whose scores are all minus infinity."""
    nats = tl.load(lse + rows, mask=rows < n_rows, other=0.0)
    return tl.where(nats == float("-inf"), 0, nats * LOG2E)
