"""Block-sparse attention: the blocks of a layout are computed, and no others."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from course.attention.attend import attend
from course.formulas.heads import check_heads, repeat_heads
from course.shapes import Size, checked


@checked
def layout(
    mask: Bool[Tensor, "query key"], *, size: Size
) -> Bool[Tensor, "query_block key_block"]:
    """Return which blocks of a mask have anything in them.

    Args:
        mask: True where a query may attend to a key.
        size: B, the side of a block; the last blocks of a row and of a column may be smaller.

    Returns:
        A mask between blocks of queries and blocks of keys.

    Raises:
        TypeError: `mask` is not a boolean tensor.
        ValueError: `mask` has not two axes, or `size` is less than one.
    """
    n_query, n_key = mask.shape
    whole = F.pad(mask, (0, -n_key % size, 0, -n_query % size))
    return whole.unflatten(1, (-1, size)).unflatten(0, (-1, size)).any(3).any(1)


@checked
def blockwise(
    layout: Bool[Tensor, "query_block key_block"], n_query: Size, n_key: Size, *, size: Size
) -> Bool[Tensor, "query key"]:
    """Return the mask that makes the blocks of a layout visible, equation :eq:`block-layout`.

    Args:
        layout: True where the queries of a block may attend to the keys of a block.
        n_query: T, the number of queries.
        n_key: S, the number of keys.
        size: B, the side of a block.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: `layout` is not a boolean tensor.
        ValueError: `layout` has not as many blocks as the lengths need.
    """
    check_layout("blockwise", layout, n_query, n_key, size)
    return layout.repeat_interleave(size, 0).repeat_interleave(size, 1)[:n_query, :n_key]


@checked
def attend_blocks(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch_kv key d_k"],
    v: Float[Tensor, "*batch_kv key d_v"],
    layout: Bool[Tensor, "query_block key_block"],
    *,
    size: Size,
    causal: bool = False,
    scale: float | None = None,
    backend: str = "einsum",
) -> Float[Tensor, "*batch query d_v"]:
    """Return attention under the mask ``blockwise(layout, …)``, computing only its blocks, :eq:`gathered`.

    For each block of queries the blocks of keys that it sees are gathered, and attention is computed among
    them. Blocks of queries that see equally many blocks of keys are computed together.

    Args:
        q: Queries.
        k: Keys; perhaps fewer heads than queries, as in :func:`attend`.
        v: Values, one for each key.
        layout: True where the queries of a block may attend to the keys of a block; the same for all heads.
        size: B, the side of a block; lengths need not be multiples of it.
        causal: Attend only to keys up to the query's own position, aligned at the last key. The layout
            decides which blocks are computed: leave out those that lie in the future.
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.
        backend: How to compute the attention among gathered keys, see :func:`attend`.

    Returns:
        One weighted average of the values per query; zeros for a query that sees nothing.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, a tensor is empty, or the backend is unknown.

    Source:
        Zaheer et al. (2020), *Big Bird: Transformers for Longer Sequences*, appendix D.
    """
    check_heads("attend_blocks", q, k)
    n_query, n_key = q.shape[-2], k.shape[-2]
    check_layout("attend_blocks", layout, n_query, n_key, size)
    q_blocks, k_blocks, v_blocks = (
        cut(x, size) for x in (q, repeat_heads(k, q), repeat_heads(v, q))
    )
    out = v_blocks.new_zeros(*q_blocks.shape[:-1], v.shape[-1])
    degrees = layout.sum(1)
    for degree in degrees.unique().tolist():
        if degree == 0:
            continue
        rows = (degrees == degree).nonzero().flatten()
        columns = layout[rows].nonzero()[:, 1].view(-1, degree)
        keys, values = (x[:, columns].flatten(2, 3) for x in (k_blocks, v_blocks))
        seen = visible(rows, columns, size, n_query, n_key, causal)
        among = attend(
            q_blocks[:, rows], keys, values, mask=seen, scale=scale, backend=backend
        )
        out = out.index_copy(1, rows, among)
    return out.flatten(1, 2)[:, :n_query].reshape(*q.shape[:-1], v.shape[-1])


def cut(x: Tensor, size: int) -> Tensor:
    """Cut the positions into blocks, the last one filled with zeros: (all leading, block, size, width)."""
    whole = F.pad(x.reshape(-1, *x.shape[-2:]), (0, 0, 0, -x.shape[-2] % size))
    return whole.unflatten(1, (-1, size))


def visible(
    rows: Tensor, columns: Tensor, size: int, n_query: int, n_key: int, causal: bool
) -> Tensor | None:
    """The mask inside gathered blocks, (row, query, key), or None where all is visible."""
    if not causal and n_key % size == 0:
        return None
    within = torch.arange(size, device=rows.device)
    j = (columns[:, :, None] * size + within).flatten(1)[:, None]
    if not causal:
        return j < n_key
    i = (rows[:, None] * size + within)[:, :, None]
    return (j < n_key) & (j <= i + n_key - n_query)


def check_layout(
    function: str, layout: Tensor, n_query: int, n_key: int, size: int
) -> None:
    """Refuse a layout with another number of blocks than the lengths need."""
    needed = -(-n_query // size), -(-n_key // size)
    if tuple(layout.shape) != needed:
        raise ValueError(
            f"{function}: layout must have the shape {needed}, which {n_query} queries and {n_key} keys need "
            f"in blocks of {size}, but its shape is {tuple(layout.shape)}."
        )
