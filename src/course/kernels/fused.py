"""Attention by torch's fused kernel."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course.formulas.masks import visible


def sdpa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
) -> Tensor:
    """Call torch's fused kernel.

    torch aligns its causal flag at the upper left, this course at the lower right: they are the same only
    for as many queries as keys. A row with nothing to attend to is computed unmasked, then set to zero.
    """
    fused = partial(
        F.scaled_dot_product_attention, scale=scale, enable_gqa=q.shape[:-2] != k.shape[:-2]
    )
    if mask is None and bias is None and (not causal or q.shape[-2] == k.shape[-2]):
        return fused(q, k, v, is_causal=causal)
    seen = visible(mask, causal, q, k)
    if seen is None:
        return fused(q, k, v, attn_mask=bias)
    empty = ~seen.any(-1, keepdim=True)
    allowed = seen | empty
    added = allowed if bias is None else torch.where(allowed, bias, -torch.inf)
    return fused(q, k, v, attn_mask=added).masked_fill(empty, 0)
