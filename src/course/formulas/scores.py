"""Scores: how well each query and each key agree."""

from __future__ import annotations

import math

import torch
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
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    scale: float | None = None,
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
def general(
    q: Float[Tensor, "*batch query d_q"],
    k: Float[Tensor, "*batch key d_k"],
    weight: Float[Tensor, "d_q d_k"],
) -> Float[Tensor, "*batch query key"]:
    """Return the bilinear scores :math:`e_{ij} = q_i W k_j^\\top`, equation :eq:`general-score`.

    Args:
        q: Queries, one per row.
        k: Keys, one per row; their width may differ from that of the queries.
        weight: The matrix :math:`W`.

    Returns:
        The score of query `i` and key `j` at position ``[..., i, j]``.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Luong, Pham and Manning (2015), *Effective Approaches to Attention-based Neural Machine Translation*,
        section 3.1.
    """
    return q @ weight @ k.mT


@checked
def additive(
    q: Float[Tensor, "*batch query d_q"],
    k: Float[Tensor, "*batch key d_k"],
    w_q: Float[Tensor, "d_q d_hidden"],
    w_k: Float[Tensor, "d_k d_hidden"],
    w: Float[Tensor, "d_hidden"],
) -> Float[Tensor, "*batch query key"]:
    """Return the scores :math:`e_{ij} = \\tanh(q_i W_q + k_j W_k)\\, w^\\top`, equation :eq:`additive-score`.

    A small neural network looks at every pair. It makes a tensor of shape ``(*batch, query, key, d_hidden)``.

    Args:
        q: Queries, one per row.
        k: Keys, one per row; their width may differ from that of the queries.
        w_q: First layer, the part that reads the query.
        w_k: First layer, the part that reads the key.
        w: Second layer: one number out of each hidden vector.

    Returns:
        The score of query `i` and key `j` at position ``[..., i, j]``.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Bahdanau, Cho and Bengio (2015), *Neural Machine Translation by Jointly Learning to Align and
        Translate*, appendix A.1.2.
    """
    # Each layer projects T + S vectors once, not the T·S pairs.
    hidden = torch.tanh((q @ w_q).unsqueeze(-2) + (k @ w_k).unsqueeze(-3))
    return (hidden @ w.unsqueeze(-1)).squeeze(-1)


@checked
def negative_squared_distance(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    scale: float = 0.5,
) -> Float[Tensor, "*batch query key"]:
    """Return :math:`e_{ij} = -\\tfrac12 \\lVert q_i - k_j \\rVert^2`, equation :eq:`distance-score`.

    Softmax of these scores gives the weights of kernel regression with a Gaussian kernel of width one. For
    width :math:`\\sigma`, set `scale` to :math:`1/(2\\sigma^2)`.

    Args:
        q: Queries, one per row.
        k: Keys, one per row.
        scale: The factor on the squared distance.

    Returns:
        The score of query `i` and key `j` at position ``[..., i, j]``: zero where they coincide, up to
        rounding, and negative elsewhere.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The shapes do not fit, a tensor is empty, or `scale` is not finite.

    Source:
        Nadaraya (1964), *On Estimating Regression*; Watson (1964), *Smooth Regression Analysis*.
    """
    # Expanded, it is one matrix product and never holds T·S·d numbers. The squares cancel
    # badly if the vectors lie far from the origin, and a shift of all changes no distance.
    centre = k.detach().mean(-2, keepdim=True)
    q, k = q - centre, k - centre
    half_norms = (k.square().sum(-1).unsqueeze(-2) + q.square().sum(-1).unsqueeze(-1)) / 2
    return 2 * scale * (dot_product(q, k) - half_norms)


@checked
def cosine(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch key d_k"],
    temperature: float = 1.0,
) -> Float[Tensor, "*batch query key"]:
    """Return the cosine of the angle between every query and every key, equation :eq:`cosine-score`.

    With a temperature it is :math:`\\cos(q_i, k_j)/\\tau`, equation :eq:`cosine-temperature`.

    Args:
        q: Queries, one per row.
        k: Keys, one per row.
        temperature: The positive number to divide by. A learned one is a tensor: divide the cosines by it.

    Returns:
        Values in [-1, 1], divided by the temperature; a zero vector has cosine 0 with everything.

    Raises:
        TypeError: An argument is of the wrong type, or the dtypes differ.
        ValueError: The shapes do not fit, a tensor is empty, or `temperature` is not positive and finite.

    Source:
        Graves, Wayne and Danihelka (2014), *Neural Turing Machines*, equations 5 and 6; Henry, Dachapally,
        Pawar and Chen (2020), *Query-Key Normalization for Transformers*.
    """
    if temperature <= 0:
        raise ValueError(f"cosine: temperature must be positive, but got {temperature:g}.")
    return dot_product(F.normalize(q, dim=-1), F.normalize(k, dim=-1)) / temperature
