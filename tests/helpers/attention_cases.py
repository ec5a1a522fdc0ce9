"""Attention of every kind on small tensors: what all backends are compared on, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course.attention import weigh
from course.formulas.heads import repeat_heads

SHAPES = {  # (batch, query heads, key heads, queries, keys, d_k, d_v)
    "square": (2, 3, 3, 6, 6, 4, 4),
    "odd lengths": (2, 3, 3, 5, 7, 4, 6),
    "more queries than keys": (1, 2, 2, 9, 5, 3, 2),
    "one query": (2, 4, 4, 1, 7, 5, 3),
    "one key": (2, 2, 2, 5, 1, 3, 4),
    "grouped heads": (2, 6, 2, 5, 7, 4, 3),
    "one head of keys": (1, 4, 1, 5, 5, 2, 5),
}
MASKS = ("none", "per head", "shared by heads", "an empty row", "per key")
BIASES = ("no bias", "per head", "per key", "whole")
PLAIN = {"mask": None, "bias": None, "causal": False, "scale": 0.7}
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
Shape = tuple[int, int, int, int, int, int, int]


class Expected(NamedTuple):
    """A tensor in float64, and how many roundings, as sizes, each of its numbers may be off."""

    value: Tensor
    roundings: Tensor


def draw(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def inputs(shape: Shape, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    """Queries, keys and values."""
    batch, heads, kv_heads, n_query, n_key, d_k, d_v = shape
    sizes = (batch, heads, n_query, d_k), (batch, kv_heads, n_key, d_k), (batch, kv_heads, n_key, d_v)
    return draw(*sizes, dtype=dtype, seed=seed)


def mask_for(kind: str, shape: Shape) -> Tensor | None:
    batch, heads, _, n_query, n_key, _, _ = shape
    sizes = {
        "per head": (batch, heads, n_query, n_key),
        "shared by heads": (batch, 1, n_query, n_key),
        "an empty row": (batch, heads, n_query, n_key),
        "per key": (1, n_key),
        "padding": (batch, 1, 1, n_key),
    }
    if kind == "none":
        return None
    mask = torch.rand(sizes[kind], generator=torch.Generator().manual_seed(1)) < 0.6
    if kind == "an empty row":
        mask[0, 0, n_query // 2] = False
    if kind == "per key":
        mask[0, 0] = True  # the loop has no gradient where nothing at all is visible
    return mask


def bias_for(kind: str, shape: Shape) -> list[Tensor]:
    """A bias in a list, or an empty list."""
    batch, heads, _, n_query, n_key, _, _ = shape
    sizes = {
        "per head": (heads, n_query, n_key),
        "per key": (1, n_key),
        "per query": (n_query, 1),
        "whole": (batch, heads, n_query, n_key),
    }
    return [] if kind == "no bias" else draw(sizes[kind], seed=2)


def run(function: Callable[..., Tensor], tensors: Sequence[Tensor], **options: Any) -> list[Tensor]:
    """The output and the gradients of q, k, v and the bias, for a fixed, uneven weighting of the outputs."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    out = function(*leaves[:3], **PLAIN | options | {"bias": leaves[3] if leaves[3:] else None})
    return [out.detach(), *torch.autograd.grad((out * uneven(out)).sum(), leaves)]


def exact(function: Callable[..., Tensor], tensors: Sequence[Tensor], **options: Any) -> list[Expected]:
    """What `run` gives in float64, and how far each number may be from it, in roundings.

    The error of a sum is relative to the sizes of its terms, not to the sum, which may vanish. A term carries
    fewer than 8 roundings (an entry of each factor, their product, the scale, the exponential, the quotient,
    the weighting of outputs), and a sum of n terms adds about as many as the root of n, since roundings go
    either way (Higham and Mary, 2019).
    """
    tensors = [x.double() for x in tensors]
    values, sizes = run(function, tensors, **options), _sizes(tensors, **PLAIN | options)
    (*_, heads, n_query, _), (*_, kv_heads, n_key, _) = tensors[0].shape, tensors[1].shape
    roundings = 8 + (n_query * heads / kv_heads + n_key) ** 0.5
    return [Expected(value, roundings * size) for value, size in zip(values, sizes, strict=True)]


def _sizes(
    tensors: Sequence[Tensor], mask: Tensor | None, causal: bool, scale: float, bias: None = None
) -> list[Tensor]:
    """The output and the gradients with every term by its absolute value.

    A weight is an exponential, whose relative error is the absolute one of its score, and that is relative to
    the score of absolute values.
    """
    q, k, v, *added = tensors
    k, v = repeat_heads(k, q), repeat_heads(v, q)
    plain = weigh(q, k, mask=mask, bias=added[0] if added else None, causal=causal, scale=scale)
    q, k, v, *added = (x.abs() for x in (q, k, v, *added))
    weights = plain * (1 + (scale * q @ k.mT + sum(added)).amax(-1, keepdim=True))
    push = uneven(plain @ v).abs()
    signal = weights * (push @ v.mT + (push * (plain @ v)).sum(-1, keepdim=True))
    groups = tensors[1].shape[-3], -1
    of_k, of_v = ((x.mT @ y).unflatten(-3, groups).sum(-3) for x, y in ((signal, q), (weights, push)))
    of_bias = (signal.sum_to_size(x.shape) for x in added)
    return [weights @ v, scale * signal @ k, scale * of_k, of_v, *of_bias]


def uneven(out: Tensor) -> Tensor:
    """A weighting of outputs by numbers that nothing relates: sums of related ones round the same way."""
    return draw(out.shape, dtype=out.dtype, seed=3)[0]


def assert_same(came: Sequence[Tensor], expected: Sequence[Expected], dtype: torch.dtype) -> None:
    """Compare outputs and gradients with those in float64."""
    numbers = torch.finfo(dtype)
    for name, a, (b, roundings) in zip(("output", "dq", "dk", "dv", "dbias"), came, expected, strict=False):
        assert a.dtype == dtype
        assert a.shape == b.shape
        bound = numbers.eps / 2 * roundings + numbers.tiny
        assert ((a.double() - b).abs() <= bound).all(), f"{name} in {dtype}"
