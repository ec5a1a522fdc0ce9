"""Softmax over the keys, in the form that neither overflows nor divides by zero."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.formulas.normalizer import finite, normalizer
from course.formulas.precision import wide
from course.shapes import checked


@checked
def softmax(
    scores: Float[Tensor, "*batch key"],
    mask: Bool[Tensor, "*#batch #key"] | None = None,
) -> Float[Tensor, "*batch key"]:
    """Turn each row of scores into weights that are positive and sum to one, equation :eq:`weights`.

    The largest score of a row is subtracted first, equation :eq:`stable-softmax`: the weights stay the same
    and no exponential overflows. A row in which nothing may be attended to gets weights of zero.
    Half-precision scores are exponentiated and summed in float32.

    Args:
        scores: One row of scores per query.
        mask: True where the key may be attended to; ``None`` means everywhere.

    Returns:
        The weights, in the dtype of `scores`.

    Raises:
        TypeError: `scores` is not a floating-point tensor, or `mask` is not boolean.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Blanchard, Higham and Higham (2021), *Accurately computing the log-sum-exp and softmax functions*.
    """
    e = wide(scores)
    if mask is not None:
        e = e.masked_fill(~mask, -torch.inf)
    exponentials = torch.exp(e - finite(e.detach().amax(-1, keepdim=True)))
    total = exponentials.sum(-1, keepdim=True)
    return (exponentials / total.masked_fill(total == 0, 1)).to(scores.dtype)


@checked
def log_sum_exp(
    scores: Float[Tensor, "*batch key"],
    mask: Bool[Tensor, "*#batch #key"] | None = None,
) -> Float[Tensor, "*batch"]:
    """Return :math:`\\log \\sum_j e^{e_j}` of each row without overflow, equation :eq:`log-sum-exp`.

    Half-precision scores are exponentiated and summed in float32.

    Args:
        scores: One row of scores per query.
        mask: True where the key may be attended to; ``None`` means everywhere.

    Returns:
        One number per row, in the dtype of `scores`; minus infinity where nothing may be attended to.

    Raises:
        TypeError: `scores` is not a floating-point tensor, or `mask` is not boolean.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Blanchard, Higham and Higham (2021), *Accurately computing the log-sum-exp and softmax functions*.
    """
    return normalizer(wide(scores), mask).log().to(scores.dtype)


@checked
def entropy(weights: Float[Tensor, "*batch key"]) -> Float[Tensor, "*batch"]:
    """Return the entropy :math:`-\\sum_j p_j \\log p_j` of each row of weights, equation :eq:`entropy`.

    Args:
        weights: Rows that are not negative and sum to one; a weight of zero adds nothing, to the entropy and
            to its gradient.

    Returns:
        One number per row, in nats; 0 when one key has all the weight, the logarithm of the number of keys
        when all have the same; also 0 for a row of zeros.

    Raises:
        TypeError: `weights` is not a floating-point tensor.
        ValueError: A weight is negative, or the tensor is empty.
    """
    if (weights < 0).any():
        smallest = weights.min()
        raise ValueError(
            f"entropy: weights must not be negative, but one is {smallest:.3g}."
        )
    return -(weights * weights.masked_fill(weights == 0, 1).log()).sum(-1)
