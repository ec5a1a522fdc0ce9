"""Scores: how well each query and each key agree."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from course.shapes import checked


@checked
def dot_product(
    q: Float[Tensor, "*batch query d_k"], k: Float[Tensor, "*batch key d_k"]
) -> Float[Tensor, "*batch query key"]:
    """Return the dot product of every query with every key, ``q @ k.T``.

    Args:
        q: Queries, one per row.
        k: Keys, one per row.

    Returns:
        The score of query `i` and key `j` at position ``[..., i, j]``.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    return q @ k.mT


@checked
def scaled_dot_product(
    q: Float[Tensor, "*batch query d_k"], k: Float[Tensor, "*batch key d_k"], scale: float | None = None
) -> Float[Tensor, "*batch query key"]:
    """Return the scaled scores :math:`e_{ij} = q_i \\cdot k_j / \\sqrt{d_k}`, equation :eq:`scores`.

    Args:
        q: Queries, one per row.
        k: Keys, one per row.
        scale: The factor on the dot product; ``None`` means :math:`1/\\sqrt{d_k}`.

    Returns:
        The score of query `i` and key `j` at position ``[..., i, j]``.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, equation 1.
    """
    # Scaling the queries costs T·d multiplications, scaling the scores would cost T·S.
    return dot_product(q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale), k)


@checked
def cosine(
    q: Float[Tensor, "*batch query d_k"], k: Float[Tensor, "*batch key d_k"]
) -> Float[Tensor, "*batch query key"]:
    """Return the cosine of the angle between every query and every key, equation :eq:`cosine-score`.

    Args:
        q: Queries, one per row.
        k: Keys, one per row.

    Returns:
        Values in [-1, 1]; a zero vector has cosine 0 with everything.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    return dot_product(F.normalize(q, dim=-1), F.normalize(k, dim=-1))
