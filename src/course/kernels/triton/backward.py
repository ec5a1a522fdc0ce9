"""The backward kernels: one for the row means, one for keys and values, one for queries and a bias."""

from __future__ import annotations

import triton
import triton.language as tl

from course.kernels.triton.tile import LOG2E, load_tile, score_tile, store_tile


@triton.jit
def row_means(out, grad, mean, n_rows, D_V: tl.constexpr, PAD_V: tl.constexpr, BLOCK_T: tl.constexpr):
    """Write :math:`D_i = o_i \\cdot do_i` for BLOCK_T rows of two matrices without gaps between the rows."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_T + tl.arange(0, BLOCK_T)
    wide = mean.dtype.element_ty
    outputs = load_tile(out, rows, n_rows, D_V, D_V, PAD_V).to(wide)
    pushes = load_tile(grad, rows, n_rows, D_V, D_V, PAD_V).to(wide)
    tl.store(mean + rows, tl.sum(outputs * pushes, 1), mask=rows < n_rows)


@triton.jit
def keys_and_values(
    q, k, v, mask, bias, grad, lse, mean, dk, dv,
    q_strides, k_strides, v_strides, mask_strides, bias_strides, grad_strides, dk_strides, dv_strides,
    n_query, n_key, group, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_S: tl.constexpr,
):  # fmt: skip
    """Write gradients of BLOCK_S keys and values, summed over all queries of all heads that share them.

    A tile is computed with the keys as its rows, so that the products below need no transpose of it.
    """
    start, shared, batch = tl.program_id(0) * BLOCK_S, tl.program_id(1), tl.program_id(2).to(tl.int64)
    columns = start + tl.arange(0, BLOCK_S)
    k += batch * k_strides[0] + shared * k_strides[1]
    v += batch * v_strides[0] + shared * v_strides[1]
    keys = load_tile(k, columns, n_key, k_strides[2], D_K, PAD_K)
    values = load_tile(v, columns, n_key, v_strides[2], D_V, PAD_V)
    to_keys = tl.zeros((BLOCK_S, PAD_K), WIDE)
    to_values = tl.zeros((BLOCK_S, PAD_V), WIDE)

    begin, whole = 0, 0
    if CAUSAL:  # the first query that sees a key of the block, and the first that sees them all
        begin = tl.maximum(start + n_query - n_key, 0) // BLOCK_T * BLOCK_T
        whole = tl.maximum(start + BLOCK_S - 1 + n_query - n_key + BLOCK_T - 1, 0) // BLOCK_T * BLOCK_T
    if start + BLOCK_S > n_key:
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
            for first in range(begin if edge else whole, stop, BLOCK_T):
                to_keys, to_values = visit_queries(
                    to_keys, to_values, keys, values, q_of, grad_of, lse + row, mean + row, mask_of, bias_of,
                    q_strides, grad_strides, mask_strides, bias_strides, columns, first,
                    n_query, n_key, scale, D_K, D_V, PAD_K, PAD_V, CAUSAL, edge, PRECISION, WIDE, BLOCK_T,
                )  # fmt: skip

    dk += batch * dk_strides[0] + shared * dk_strides[1]
    dv += batch * dv_strides[0] + shared * dv_strides[1]
    store_tile(dk, (to_keys * scale).to(dk.dtype.element_ty), columns, n_key, dk_strides[2], D_K, PAD_K)
    store_tile(dv, to_values.to(dv.dtype.element_ty), columns, n_key, dv_strides[2], D_V, PAD_V)


@triton.jit
def visit_queries(
    to_keys, to_values, keys, values, q, grad, lse, mean, mask, bias,
    q_strides, grad_strides, mask_strides, bias_strides, columns, first, n_query, n_key, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_T: tl.constexpr,
):  # fmt: skip
    """Add what BLOCK_T more queries say about the keys and values, equation :eq:`flash-backward`."""
    rows = first + tl.arange(0, BLOCK_T)
    queries = load_tile(q, rows, n_query, q_strides[2], D_K, PAD_K)
    pushes = load_tile(grad, rows, n_query, grad_strides[2], D_V, PAD_V)
    scores = score_tile(
        keys, queries, rows[None, :], columns[:, None], mask, bias, mask_strides, bias_strides,
        n_query, n_key, scale, CAUSAL, EDGE, PRECISION, WIDE,
    )  # fmt: skip
    weights = tl.exp2(scores - finite_bits(lse, rows, n_query)[None, :])
    to_values = tl.dot(weights.to(pushes.dtype), pushes, to_values, input_precision=PRECISION, out_dtype=WIDE)
    means = tl.load(mean + rows, mask=rows < n_query, other=0.0)
    push = tl.dot(values, tl.trans(pushes), input_precision=PRECISION, out_dtype=WIDE)
    signal = weights * (push - means[None, :])
    to_keys = tl.dot(signal.to(queries.dtype), queries, to_keys, input_precision=PRECISION, out_dtype=WIDE)
    return to_keys, to_values


@triton.jit
def queries_and_bias(
    q, k, v, mask, bias, grad, lse, mean, dq, dbias,
    q_strides, k_strides, v_strides, mask_strides, bias_strides, grad_strides, dq_strides,
    n_query, n_key, group, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_S: tl.constexpr,
):  # fmt: skip
    """Write gradients of BLOCK_T queries, and of the scores where a bias needs them."""
    first, head, batch = tl.program_id(0) * BLOCK_T, tl.program_id(1), tl.program_id(2).to(tl.int64)
    rows = first + tl.arange(0, BLOCK_T)
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
    to_queries = tl.zeros((BLOCK_T, PAD_K), WIDE)

    whole, end = n_key, n_key
    if CAUSAL:
        whole = tl.maximum(tl.minimum(n_key, first + n_key - n_query + 1), 0)
        end = tl.minimum(n_key, first + BLOCK_T + n_key - n_query)
    whole = whole // BLOCK_S * BLOCK_S
    for edge in tl.static_range(2):
        for start in range(whole if edge else 0, end if edge else whole, BLOCK_S):
            to_queries = visit_keys(
                to_queries, queries, pushes, bits, means, k, v, mask, bias, dbias,
                k_strides, v_strides, mask_strides, bias_strides, rows, start, n_query, n_key, scale,
                D_K, D_V, PAD_K, PAD_V, CAUSAL, edge, PRECISION, WIDE, BLOCK_S,
            )  # fmt: skip

    dq += batch * dq_strides[0] + head * dq_strides[1]
    store_tile(dq, (to_queries * scale).to(dq.dtype.element_ty), rows, n_query, dq_strides[2], D_K, PAD_K)


@triton.jit
def visit_keys(
    to_queries, queries, pushes, bits, means, k, v, mask, bias, dbias,
    k_strides, v_strides, mask_strides, bias_strides, rows, start, n_query, n_key, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, PAD_K: tl.constexpr, PAD_V: tl.constexpr,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
    BLOCK_S: tl.constexpr,
):  # fmt: skip
    """Add what BLOCK_S more keys say about the queries, equation :eq:`flash-backward`."""
    columns = start + tl.arange(0, BLOCK_S)
    keys = load_tile(k, columns, n_key, k_strides[2], D_K, PAD_K)
    values = load_tile(v, columns, n_key, v_strides[2], D_V, PAD_V)
    scores = score_tile(
        queries, keys, rows[:, None], columns[None, :], mask, bias, mask_strides, bias_strides,
        n_query, n_key, scale, CAUSAL, EDGE, PRECISION, WIDE,
    )  # fmt: skip
    weights = tl.exp2(scores - bits[:, None])
    push = tl.dot(pushes, tl.trans(values), input_precision=PRECISION, out_dtype=WIDE)
    signal = weights * (push - means[:, None])
    if dbias is not None:
        inside = (rows < n_query)[:, None] & (columns < n_key)[None, :]
        tl.store(dbias + rows[:, None] * n_key + columns[None, :], signal, mask=inside)
    return tl.dot(signal.to(keys.dtype), keys, to_queries, input_precision=PRECISION, out_dtype=WIDE)


@triton.jit
def finite_bits(lse, rows, n_rows):
    """Log-sum-exps in bits; zero for a row that sees nothing, whose scores are all minus infinity."""
    nats = tl.load(lse + rows, mask=rows < n_rows, other=0.0)
    return tl.where(nats == float("-inf"), 0, nats * LOG2E)
