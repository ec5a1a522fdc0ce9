"""Masks: which query may attend to which key. True means that it may."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from course.shapes import Size, checked


@checked
def causal(
    n_query: Size, n_key: Size | None = None, *, device: torch.device | str | None = None
) -> Bool[Tensor, "query key"]:
    """Let each query attend to the keys up to its own position.

    With fewer queries than keys the queries are the last ones of the sequence, as in decoding with a cache:
    query `i` attends to key `j` when :math:`j \\le i + S - T`.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys; ``None`` means as many as queries.
        device: Where the mask is made.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: A length is not an integer.
        ValueError: A length is less than one.
    """
    n_key = n_query if n_key is None else n_key
    return torch.ones(n_query, n_key, dtype=torch.bool, device=device).tril(n_key - n_query)


@checked
def padding(lengths: Int[Tensor, "batch"], n_key: Size) -> Bool[Tensor, "batch 1 1 key"]:
    """Let every query attend to the first ``lengths[b]`` keys of sequence `b`.

    Args:
        lengths: The number of real tokens of each sequence; 0 makes a sequence of padding only.
        n_key: S, the padded length.

    Returns:
        A mask that broadcasts over heads and queries.

    Raises:
        TypeError: `lengths` is not an integer tensor.
        ValueError: A length is negative or larger than `n_key`.
    """
    if lengths.min() < 0 or lengths.max() > n_key:
        raise ValueError(
            f"padding: lengths must lie between 0 and n_key = {n_key}, "
            f"but they go from {lengths.min()} to {lengths.max()}."
        )
    visible = torch.arange(n_key, device=lengths.device) < lengths[:, None]
    return visible[:, None, None, :]
