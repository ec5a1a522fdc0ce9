"""Attention by its definition, and by way of the whole matrix of weights."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from course.formulas.heads import repeat_heads
from course.formulas.masks import visible
from course.formulas.precision import wide
from course.formulas.scores import scaled_dot_product
from course.formulas.softmax import softmax


def loop(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
) -> Tensor:
    """Compute each output by its definition, one query and one key at a time. Slow, and the reference."""
    dtype, mask = q.dtype, visible(mask, causal, q, k)
    q, k, v = wide(q), wide(repeat_heads(k, q)), wide(repeat_heads(v, q))
    shape = (*q.shape[:-1], k.shape[-2])
    seen = torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)
    added = (
        torch.zeros(shape, dtype=q.dtype, device=q.device)
        if bias is None
        else bias.expand(shape)
    )
    rows = []
    for index in itertools.product(*map(range, q.shape[:-1])):
        head, keys = index[:-1], seen[index].nonzero().flatten().tolist()
        scores = [(q[index] * k[*head, j]).sum() * scale + added[*index, j] for j in keys]
        largest = max((score.detach() for score in scores), default=0)
        shares = [torch.exp(score - largest) for score in scores]
        output = torch.zeros_like(v[*head, 0])
        for share, j in zip(shares, keys, strict=True):
            output = output + share / sum(shares) * v[*head, j]
        rows.append(output)
    return torch.stack(rows).reshape(*q.shape[:-1], v.shape[-1]).to(dtype)


def einsum(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
) -> Tensor:
    """Compute the whole matrix of weights, then one product with the values."""
    scores = scaled_dot_product(wide(q), wide(repeat_heads(k, q)), scale)
    weights = softmax(
        scores if bias is None else scores + bias, visible(mask, causal, q, k)
    )
    out = torch.einsum("...qk,...kd->...qd", weights, wide(repeat_heads(v, q)))
    return out.to(q.dtype)
