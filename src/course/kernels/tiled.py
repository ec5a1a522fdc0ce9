"""Attention in tiles: the whole matrix of weights exists neither forwards nor backwards.

The algorithm of FlashAttention, in torch operations. Its extra memory grows with the number of queries and
keys, not with their product.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from course.formulas.normalizer import finite
from course.formulas.partial import Partial, partial
from course.formulas.precision import wide
from course.kernels.once import once
from course.kernels.tiles import Tiles, blocks, part

TILE = 256, 256
"""Queries and keys of a tile, unless told otherwise."""


def tiled(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    bias: Tensor | None,
    causal: bool,
    scale: float,
    tile: tuple[int, int] = TILE,
) -> Tensor:
    """Compute attention tile by tile, equation :eq:`flash-forward`, with a backward pass of its own.

    Args:
        q: Queries.
        k: Keys, perhaps with fewer heads.
        v: Values, with the heads of `k`.
        mask: True where a query may attend to a key, or None.
        bias: Added to the scores, or None; it gets a gradient.
        causal: Attend only to keys up to the query's own position, aligned at the last key.
        scale: The factor on the dot products.
        tile: Queries and keys of one tile.

    Returns:
        One weighted average of the values per query, in the dtype of `q`; tiles are computed in float32 for
        half precision.

    Source:
        Dao et al. (2022), *FlashAttention*, algorithm 1; Dao (2023), *FlashAttention-2*, section 3.1.
    """
    mask, bias = (x if x is None else x[(None,) * (q.ndim - x.ndim)] for x in (mask, bias))
    if q.shape[:-2] == k.shape[:-2]:
        return _Tiled.apply(q, k, v, bias, mask, causal, scale, tile)
    n_groups = k.shape[-3]
    q, k, v, bias, mask = (_group(x, n_groups) for x in (q, k, v, bias, mask))
    return _Tiled.apply(q, k, v, bias, mask, causal, scale, tile).flatten(-4, -3)


def forward(tiles: Tiles, v: Tensor, tile: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the outputs and the log-sum-exp of each row, which the backward pass needs besides inputs."""
    q, k = tiles.q, tiles.k
    out = q.new_zeros(*q.shape[:-1], v.shape[-1])
    lse = wide(out).new_full(q.shape[:-1], -torch.inf)
    for rows in blocks(q.shape[-2], tile[0]):
        parts = (
            partial(tiles.scores(rows, columns), wide(v[..., columns, :]))
            for columns in blocks(k.shape[-2], tile[1])
            if not tiles.hidden(rows, columns)
        )
        first = next(parts, None)
        if first is not None:  # the causal mask may hide every key from these queries
            whole = reduce(Partial.merge, parts, first)
            out[..., rows, :] = whole.output()
            lse[..., rows] = whole.normalizer.log()
    return out, lse


def backward(
    tiles: Tiles,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    grad: Tensor,
    tile: tuple[int, int],
    needs_bias: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients of queries, keys, values and bias, equations :eq:`flash-backward`."""
    q, k = tiles.q, tiles.k
    base = finite(lse).unsqueeze(-1)
    mean = (wide(grad) * wide(out)).sum(-1, keepdim=True)
    dq, dk, dv = (torch.zeros_like(wide(x)) for x in (q, k, v))
    dbias = torch.zeros_like(wide(tiles.bias)) if needs_bias else None
    for columns in blocks(k.shape[-2], tile[1]):
        keys, values = wide(k[..., columns, :]), wide(v[..., columns, :])
        for rows in blocks(q.shape[-2], tile[0]):
            if tiles.hidden(rows, columns):
                continue
            queries, push = wide(q[..., rows, :]), wide(grad[..., rows, :])
            weights = tiles.scores(rows, columns).sub_(base[..., rows, :]).exp_()
            signal = (push @ values.mT).sub_(mean[..., rows, :]).mul_(weights)
            _add(dv[..., columns, :], weights.mT @ push)
            _add(dk[..., columns, :], signal.mT @ queries * tiles.scale)
            _add(dq[..., rows, :], signal @ keys * tiles.scale)
            if dbias is not None:
                _add(part(dbias, rows, columns), signal)
    return dq.to(q.dtype), dk.to(k.dtype), dv.to(v.dtype), dbias


def _add(place: Tensor, x: Tensor) -> None:
    """Add `x` to a part of a gradient, summed over the axes along which that part was shared."""
    place += x.sum_to_size(place.shape)


class _Tiled(torch.autograd.Function):
    """Join the two passes; what lies between them are the inputs, the output and one number per query."""

    @staticmethod
    def forward(ctx: Any, q, k, v, bias, mask, causal, scale, tile):
        out, lse = forward(Tiles(q, k, mask, bias, causal, scale), v, tile)
        ctx.save_for_backward(q, k, v, bias, mask, out, lse)
        ctx.options = causal, scale, tile
        return out

    @staticmethod
    @once
    def backward(ctx: Any, grad):
        q, k, v, bias, mask, out, lse = ctx.saved_tensors
        causal, scale, tile = ctx.options
        tiles = Tiles(q, k, mask, bias, causal, scale)
        *grads, grad_bias = backward(
            tiles, v, out, lse, grad, tile, ctx.needs_input_grad[3]
        )
        if grad_bias is not None:
            grad_bias = grad_bias.to(bias.dtype)
        return *grads, grad_bias, None, None, None, None


def _group(x: Tensor | None, n_groups: int) -> Tensor | None:
    """Give each group of heads an axis of its own; one head becomes a group of one, which broadcasts."""
    if x is None:
        return None
    return (
        x.unsqueeze(-3) if x.shape[-3] in (1, n_groups) else x.unflatten(-3, (n_groups, -1))
    )
