"""Relative positions by vectors: one learned row for each offset between a query and a key."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course.attention import causal as causal_mask
from course.attention import softmax
from course.shapes import Size, checked


@checked
def offsets(n_query: Size, n_key: Size) -> Int[Tensor, "query key"]:
    """Return :math:`j - i` for every query and key, equation :eq:`relative-offset`.

    Like the causal mask, it is aligned at the last key: with fewer queries than keys, the queries are the
    last positions, so that the last query and the last key have the offset 0.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys.

    Returns:
        Negative for keys before the query, positive for keys after it.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one.
    """
    return torch.arange(n_key) - torch.arange(n_key - n_query, n_key)[:, None]


@checked
def skew(x: Float[Tensor, "*batch query span"]) -> Float[Tensor, "*batch query key"]:
    """Move row `i` to the left by ``n_query - 1 - i`` places, equation :eq:`relative-skew`.

    Column `r` of `x` holds what each query has for the offset ``r - (n_key - 1)``, from the first key seen by
    the last query to the last key seen by the first one: ``n_query + n_key - 1`` offsets. In the result
    column `j` belongs to key `j`. Rows of one width, read as rows of a width one less, slide by themselves:
    no index is needed.

    Args:
        x: One number for every query and every offset, in the order of growing offsets.

    Returns:
        The number of each pair of a query and a key.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: `x` is empty or has fewer columns than rows.

    Source:
        Huang et al. (2019), *Music Transformer*, section 3.4, where only offsets up to 0 are kept.
    """
    n_query, span = x.shape[-2:]
    if span < n_query:
        raise ValueError(
            f"skew: x must have at least as many columns, one per offset, as rows, but its shape is "
            f"{tuple(x.shape)}."
        )
    if n_query == 1:
        return x
    shifted = x.flatten(-2)[..., n_query - 1 : n_query * span - 1]
    return shifted.unflatten(-1, (n_query, span - 1))[..., : span - n_query + 1]


@checked
def relative_attend(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    v: Float[Tensor, "*batch key d_v"],
    keys: Float[Tensor, "offset d_k"],
    values: Float[Tensor, "offset d_v"] | None = None,
    *,
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch query d_v"]:
    """Return attention with a vector for each offset, equations :eq:`shaw-scores` and :eq:`shaw-values`.

    No tensor with the axes query, key and width is made: products with the tables come first,
    equation :eq:`shaw-factored`.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        keys: What is added to the key, for the offsets -c to c: an odd number of rows, 2c + 1.
        values: What is added to the value, likewise; ``None`` adds nothing.
        mask: True where a query may attend to a key.
        causal: Attend only to keys up to the query's own position.
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.

    Returns:
        One weighted average per query; zeros for a query that may attend to nothing.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or a table has an even number of rows.

    Source:
        Shaw et al. (2018), *Self-Attention with Relative Position Representations*, equations 3 to 5.
    """
    n_rows = len(keys)
    if n_rows % 2 == 0:
        raise ValueError(
            "relative_attend: keys must have an odd number of rows, "
            f"but its shape is {tuple(keys.shape)}."
        )
    n_query, n_key = q.shape[-2], k.shape[-2]
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    furthest = n_rows // 2
    offset = offsets(n_query, n_key).to(q.device)
    row = offset.clamp(-furthest, furthest) + furthest
    row = row.expand(*q.shape[:-2], n_query, n_key)
    scores = scale * (q @ k.mT + (q @ keys.mT).gather(-1, row))
    if causal:
        visible = causal_mask(n_query, n_key, device=q.device)
        mask = visible if mask is None else mask & visible
    weights = softmax(scores, mask)
    output = weights @ v
    if values is None:
        return output
    shares = weights.new_zeros(*weights.shape[:-1], n_rows)
    return output + shares.scatter_add(-1, row, weights) @ values
