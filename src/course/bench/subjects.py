"""What computes attention: the backends of this course, and their peers in torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Attention = Callable[..., Tensor]
"""``f(q, k, v, causal)`` for tensors (batch, heads, time, d_head) of equal lengths."""


class Unavailable(Exception):
    """The text says why something cannot be measured here."""


class Subject(NamedTuple):
    """Something that computes attention.

    Attributes:
        make: Returns the function for a length and a device, or raises Unavailable.
        backward: Whether it has gradients.
        quadratic: How many matrices of weights it holds at once, forwards and backwards.
    """

    make: Callable[[int, bool, torch.device], Attention]
    backward: bool = True
    quadratic: tuple[int, int] = (0, 0)


def _naive(n: int, causal: bool, device: torch.device) -> Attention:
    return _einsum


def _einsum(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    from course.kernels.plain import einsum

    return einsum(q, k, v, mask=None, bias=None, causal=causal, scale=q.shape[-1] ** -0.5)


def _sdpa(n: int, causal: bool, device: torch.device) -> Attention:
    return lambda q, k, v, causal: F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def _backend(
    module: str, name: str, device: str | None, n: int, causal: bool, on: torch.device
) -> Attention:
    if device is not None and on.type != device:
        raise Unavailable(f"runs on {device} only, not on {on.type}")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"{module}.{name} is not there ({error})") from error
    return lambda q, k, v, causal: function(
        q, k, v, mask=None, bias=None, causal=causal, scale=q.shape[-1] ** -0.5
    )


@cache
def _flex(n: int, causal: bool, device: torch.device) -> Attention:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    fused = _compile(flex_attention)
    ahead = partial(
        create_block_mask, lambda b, h, i, j: i >= j, None, None, n, n, device=str(device)
    )
    seen = ahead() if causal else None
    return lambda q, k, v, causal: fused(q, k, v, block_mask=seen)


@cache
def _compiled(n: int, causal: bool, device: torch.device) -> Attention:
    return _compile(_einsum)


def _compile(function: Attention) -> Attention:
    # Each length is compiled anew; after eight of them torch would give up and run uncompiled.
    torch._dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=False)


SUBJECTS = {
    "sdpa": Subject(_sdpa),
    "naive": Subject(_naive, quadratic=(3, 5)),
    "tiled": Subject(partial(_backend, "course.kernels.tiled", "tiled", None)),
    "cpu": Subject(partial(_backend, "course.kernels.cpu", "attend", "cpu")),
    "triton": Subject(partial(_backend, "course.kernels.triton.attend", "attend", "cuda")),
    "flex": Subject(_flex, backward=False),
    "compiled": Subject(_compiled, quadratic=(3, 5)),
}
"""All subjects; the first is what the others are compared with."""
