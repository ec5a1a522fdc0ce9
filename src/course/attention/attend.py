"""Scaled dot-product attention: one call, several backends."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from course.attention.backends import BACKENDS, repeat_heads, visible
from course.attention.scores import scaled_dot_product
from course.attention.softmax import softmax
from course.shapes import checked


@checked
def attend(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch_kv key d_k"],
    v: Float[Tensor, "*batch_kv key d_v"],
    *,
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
    bias: Float[Tensor, "*#batch #query #key"] | None = None,
    causal: bool = False,
    scale: float | None = None,
    backend: str = "einsum",
) -> Float[Tensor, "*batch query d_v"]:
    """Return :math:`\\operatorname{softmax}(QK^\\top/\\sqrt{d_k})\\,V`, equation :eq:`attention`.

    Heads are one of the leading axes, usually ``(batch, heads, time, d_head)``. Keys and values may have
    fewer heads than queries (grouped heads), which then share them in consecutive groups.

    Args:
        q: Queries.
        k: Keys.
        v: Values, one for each key; their width may differ from that of the keys.
        mask: True where a query may attend to a key; it broadcasts to ``(*batch, query, key)``.
        bias: Added to the scores, after the scale; it broadcasts likewise.
        causal: Attend only to keys up to the query's own position, aligned at the last key
            (see :func:`course.attention.causal`).
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.
        backend: How to compute it; all mean the same. ``"loop"`` is the definition, ``"einsum"`` makes the
            matrix of weights, ``"tiled"`` never does, ``"cpu"`` and ``"triton"`` are kernels that do it
            faster, ``"sdpa"`` is torch's, ``"auto"`` chooses (:func:`course.attention.choice.choose`).

    Returns:
        One weighted average of the values per query; zeros for a query that may attend to nothing.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, a tensor is empty, or the backend is unknown or does not
            take this device or dtype.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, equation 1.
    """
    check_heads("attend", q, k)
    if backend not in BACKENDS:
        raise ValueError(f"attend: backend must be one of {', '.join(BACKENDS)}, but got {backend!r}.")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return BACKENDS[backend](q, k, v, mask=mask, bias=bias, causal=causal, scale=scale)


@checked
def weigh(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch_kv key d_k"],
    *,
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
    bias: Float[Tensor, "*#batch #query #key"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch query key"]:
    """Return the attention weights :math:`p_{ij}`, equation :eq:`weights`, which :func:`attend` applies.

    Args:
        q: Queries.
        k: Keys.
        mask: True where a query may attend to a key.
        bias: Added to the scores, after the scale.
        causal: Attend only to keys up to the query's own position.
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.

    Returns:
        One row of weights per query, positive and summing to one, or all zero where nothing is visible.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or a tensor is empty.
    """
    check_heads("weigh", q, k)
    scores = scaled_dot_product(q, repeat_heads(k, q), scale)
    return softmax(scores if bias is None else scores + bias, visible(mask, causal, q, k))


def check_heads(function: str, q: Tensor, k: Tensor) -> None:
    """Refuse leading axes of keys that neither equal those of the queries nor divide their heads."""
    of_q, of_k = tuple(q.shape[:-2]), tuple(k.shape[:-2])
    grouped = len(of_q) == len(of_k) > 0 and of_q[:-1] == of_k[:-1] and of_q[-1] % of_k[-1] == 0
    if of_q != of_k and not grouped:
        raise ValueError(
            f"{function}: the leading axes of k must equal those of q, or its heads divide those of q, "
            f"but q has {of_q} and k has {of_k} before (time, width)."
        )
