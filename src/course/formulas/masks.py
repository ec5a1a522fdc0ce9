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
    query `i` attends to key `j` when :math:`j \\le i + S - T`, equation :eq:`causal-mask`.

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
    """Let every query attend to the first ``lengths[b]`` keys of sequence `b`, equation :eq:`padding-mask`.

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


@checked
def window(
    n_query: Size,
    n_key: Size | None = None,
    *,
    size: Size,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "query key"]:
    """Let each query attend to its own position and the ``size - 1`` before it, equation :eq:`window-mask`.

    A causal mask of which only a band is left. It is aligned at the last key, as :func:`causal` is.

    Args:
        n_query: T, the number of queries.
        n_key: S, the number of keys; ``None`` means as many as queries.
        size: The largest number of keys that a query sees.
        device: Where the mask is made.

    Returns:
        A mask of shape ``(n_query, n_key)``.

    Raises:
        TypeError: A length is not an integer.
        ValueError: A length is less than one.

    Source:
        Beltagy, Peters and Cohan (2020), *Longformer: The Long-Document Transformer*, section 3.1; here the
        band lies before the query only.
    """
    seen = causal(n_query, n_key, device=device)
    return seen.triu(seen.shape[1] - n_query - size + 1)


@checked
def packed(segments: Int[Tensor, "batch time"]) -> Bool[Tensor, "batch 1 time time"]:
    """Let tokens of the same sequence attend to each other, equation :eq:`packed-mask`.

    Several sequences lie in one row, one after the other. For sequences that stand together the mask is
    block-diagonal.

    Args:
        segments: The number of the sequence to which each token belongs; a negative number marks padding,
            which attends to nothing and is attended to by nothing.

    Returns:
        A mask that broadcasts over heads.

    Raises:
        TypeError: `segments` is not an integer tensor.
        ValueError: `segments` has not two axes, or is empty.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, :, None])[:, None]


@checked
def prefix(lengths: Int[Tensor, "batch"], n_key: Size) -> Bool[Tensor, "batch 1 key key"]:
    """Let every token attend to the whole prefix, and to the tokens up to its own, :eq:`prefix-mask`.

    Args:
        lengths: The number of tokens of each prefix; 0 leaves the causal mask.
        n_key: T, the length of the sequence.

    Returns:
        A mask that broadcasts over heads.

    Raises:
        TypeError: `lengths` is not an integer tensor.
        ValueError: A length is negative or larger than `n_key`.

    Source:
        Raffel et al. (2020), *Exploring the Limits of Transfer Learning*, section 3.2.1.
    """
    return padding(lengths, n_key) | causal(n_key, device=lengths.device)


def visible(mask: Tensor | None, is_causal: bool, q: Tensor, k: Tensor) -> Tensor | None:
    """Join a mask and the causal flag into one mask, or None where everything is visible."""
    if not is_causal:
        return mask
    ahead = causal(q.shape[-2], k.shape[-2], device=q.device)
    return ahead if mask is None else mask & ahead
