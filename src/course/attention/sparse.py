"""Sparse patterns: masks in which a query sees few of the keys, beside the window of `masks`."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from course.shapes import Size, checked


@checked
def dilated(
    n_query: Size,
    n_key: Size | None = None,
    *,
    size: Size,
    step: Size,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "query key"]:
    """Let each query attend to every `step`-th position backwards from its own, :eq:`dilated-mask`.

    A window with gaps: as many keys as in :func:`window`, `step` times as far. Aligned at the last key.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys; ``None`` means as many as queries.
        size: The largest number of keys that a query sees.
        step: The distance between two of them; 1 makes a window.
        device: Where the mask is made.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is less than one.

    Source:
        Beltagy, Peters and Cohan (2020), *Longformer: The Long-Document Transformer*, section 3.1; here the
        window lies before the query only.
    """
    back = distances(n_query, n_key, device)
    return (back >= 0) & (back < size * step) & (back % step == 0)


@checked
def strided(
    n_query: Size,
    n_key: Size | None = None,
    *,
    stride: Size,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "query key"]:
    """Let each query attend to the last `stride` positions and to every `stride`-th, :eq:`strided-mask`.

    Two layers of it connect each query with every position before it. Aligned at the last key.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys; ``None`` means as many as queries.
        stride: The length of the window, and the distance of the keys further back.
        device: Where the mask is made.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is less than one.

    Source:
        Child et al. (2019), *Generating Long Sequences with Sparse Transformers*, section 4.3; there the two
        halves may be given to different heads.
    """
    back = distances(n_query, n_key, device)
    return (back >= 0) & ((back < stride) | (back % stride == 0))


@checked
def hubs(positions: Int[Tensor, "hubs"], n_key: Size) -> Bool[Tensor, "key key"]:
    """Let the tokens at `positions` attend to all, and all attend to them, equation :eq:`hub-mask`.

    Args:
        positions: Where the hubs stand, counted from zero.
        n_key: T, the length of the sequence.

    Returns:
        A mask of shape ``(n_key, n_key)``.

    Raises:
        TypeError: `positions` is not an integer tensor.
        ValueError: A position lies outside the sequence.

    Source:
        Beltagy, Peters and Cohan (2020), *Longformer: The Long-Document Transformer*, section 3.1.
    """
    if positions.min() < 0 or positions.max() >= n_key:
        raise ValueError(
            f"hubs: positions must lie between 0 and n_key - 1 = {n_key - 1}, "
            f"but they go from {positions.min()} to {positions.max()}."
        )
    is_hub = torch.zeros(n_key, dtype=torch.bool, device=positions.device)
    is_hub[positions.long()] = True
    return is_hub[:, None] | is_hub


@checked
def scattered(
    n_query: Size, n_key: Size | None = None, *, count: Size, generator: torch.Generator
) -> Bool[Tensor, "query key"]:
    """Let each query attend to `count` keys drawn at random, without regard to their order.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys; ``None`` means as many as queries.
        count: The number of keys that a query sees.
        generator: The source of randomness; the mask is made on its device.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is less than one, or there are fewer keys than `count`.

    Source:
        Zaheer et al. (2020), *Big Bird: Transformers for Longer Sequences*, section 2.
    """
    n_key = n_query if n_key is None else n_key
    if count > n_key:
        raise ValueError(
            f"scattered: count must be at most n_key = {n_key}, but got {count}."
        )
    drawn = (
        torch.rand(n_query, n_key, generator=generator, device=generator.device)
        .topk(count)
        .indices
    )
    return torch.zeros(n_query, n_key, dtype=torch.bool, device=generator.device).scatter(
        1, drawn, True
    )


def distances(n_query: int, n_key: int | None, device: torch.device | str | None) -> Tensor:
    """How far each key lies before each query, aligned at the last key; negative for keys that come later."""
    n_key = n_query if n_key is None else n_key
    i = torch.arange(n_key - n_query, n_key, device=device)
    return i[:, None] - torch.arange(n_key, device=device)
