"""The same attention, computed in different ways. Every backend has one signature and one meaning.

A backend takes queries, keys and values that :func:`course.attention.attend` has checked: perhaps fewer heads
of keys and values than of queries, a mask or None, a bias or None, a causal flag, and the scale.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course.attention.choice import automatic
from course.attention.masks import causal as causal_mask
from course.attention.scores import scaled_dot_product
from course.attention.softmax import softmax


def visible(mask: Tensor | None, causal: bool, q: Tensor, k: Tensor) -> Tensor | None:
    """Join a mask and the causal flag into one mask, or None where everything is visible."""
    if not causal:
        return mask
    ahead = causal_mask(q.shape[-2], k.shape[-2], device=q.device)
    return ahead if mask is None else mask & ahead


def repeat_heads(x: Tensor, like: Tensor) -> Tensor:
    """Give each head of queries its own copy of the keys or values that its group shares."""
    if x.shape[:-2] == like.shape[:-2]:
        return x
    return x.repeat_interleave(like.shape[-3] // x.shape[-3], dim=-3)


def loop(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, bias: Tensor | None, causal: bool, scale: float
) -> Tensor:
    """Compute each output by its definition, one query and one key at a time. Slow, and the reference."""
    k, v, mask = repeat_heads(k, q), repeat_heads(v, q), visible(mask, causal, q, k)
    shape = (*q.shape[:-1], k.shape[-2])
    seen = torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)
    added = torch.zeros(shape, dtype=q.dtype, device=q.device) if bias is None else bias.expand(shape)
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
    return torch.stack(rows).reshape(*q.shape[:-1], v.shape[-1])


def einsum(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, bias: Tensor | None, causal: bool, scale: float
) -> Tensor:
    """Compute the whole matrix of weights, then one product with the values."""
    scores = scaled_dot_product(q, repeat_heads(k, q), scale)
    weights = softmax(scores if bias is None else scores + bias, visible(mask, causal, q, k))
    return torch.einsum("...qk,...kd->...qd", weights, repeat_heads(v, q))


def sdpa(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, bias: Tensor | None, causal: bool, scale: float
) -> Tensor:
    """Call torch's fused kernel.

    torch aligns its causal flag at the upper left, this course at the lower right: they are the same only
    for as many queries as keys. A row with nothing to attend to is computed unmasked, then set to zero.
    """
    fused = partial(F.scaled_dot_product_attention, scale=scale, enable_gqa=q.shape[:-2] != k.shape[:-2])
    if mask is None and bias is None and (not causal or q.shape[-2] == k.shape[-2]):
        return fused(q, k, v, is_causal=causal)
    seen = visible(mask, causal, q, k)
    if seen is None:
        return fused(q, k, v, attn_mask=bias)
    empty = ~seen.any(-1, keepdim=True)
    allowed = seen | empty
    added = allowed if bias is None else torch.where(allowed, bias, -torch.inf)
    return fused(q, k, v, attn_mask=added).masked_fill(empty, 0)


def kernel(module: str, name: str) -> Callable[..., Tensor]:
    """Return a backend of `course.kernels`, a room above this one, that is imported when first used."""

    def backend(*tensors: Tensor, **options: object) -> Tensor:
        return getattr(importlib.import_module(module), name)(*tensors, **options)

    return backend


BACKENDS: dict[str, Callable[..., Tensor]] = {
    "loop": loop,
    "einsum": einsum,
    "sdpa": sdpa,
    "tiled": kernel("course.kernels.tiled", "tiled"),
    "cpu": kernel("course.kernels.cpu.attend", "attend"),
    "triton": kernel("course.kernels.triton.attend", "attend"),
    "auto": automatic,
}
