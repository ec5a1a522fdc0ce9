"""Scaled dot-product attention: one call, several backends."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from course.formulas.heads import check_heads
from course.kernels.backends import BACKENDS
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
            faster, ``"sdpa"`` is torch's, ``"auto"`` chooses (:func:`course.kernels.choice.choose`).

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
        raise ValueError(
            f"attend: backend must be one of {', '.join(BACKENDS)}, but got {backend!r}."
        )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return BACKENDS[backend](q, k, v, mask=mask, bias=bias, causal=causal, scale=scale)
