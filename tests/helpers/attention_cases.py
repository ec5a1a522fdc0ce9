"""Attention of every kind on small tensors: what all backends are compared on, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

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
BOUNDS = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
Shape = tuple[int, int, int, int, int, int, int]


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
    """The output and the gradients of q, k, v and the bias, for a fixed, uneven weighting of the output."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    out = function(*leaves[:3], **PLAIN | options | {"bias": leaves[3] if leaves[3:] else None})
    uneven = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
    return [out.detach(), *torch.autograd.grad((out * uneven).sum(), leaves)]


def assert_same(
    came: Sequence[Tensor], expected: Sequence[Tensor], dtype: torch.dtype, bound: float | None = None
) -> None:
    """Compare outputs and gradients with those in float64, relative to the largest where it exceeds one."""
    bound = BOUNDS[dtype] if bound is None else bound
    for name, a, b in zip(("output", "dq", "dk", "dv", "dbias"), came, expected, strict=False):
        assert a.dtype == dtype
        assert a.shape == b.shape
        size = max(1.0, b.abs().max().item())
        assert (a.double() - b).abs().max().item() <= bound * size, f"{name} in {dtype}"
