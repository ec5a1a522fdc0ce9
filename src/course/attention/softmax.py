"""Softmax over the keys, in the form that neither overflows nor divides by zero."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.shapes import checked


@checked
def softmax(
    scores: Float[Tensor, "*batch key"], mask: Bool[Tensor, "*#batch #key"] | None = None
) -> Float[Tensor, "*batch key"]:
    """Turn each row of scores into weights that are positive and sum to one, equation :eq:`weights`.

    The largest score of a row is subtracted first: the weights stay the same and no exponential overflows.
    A row in which nothing may be attended to gets weights of zero. Half-precision scores are exponentiated
    and summed in float32.

    Args:
        scores: One row of scores per query.
        mask: True where the key may be attended to; ``None`` means everywhere.

    Returns:
        The weights, in the dtype of `scores`.

    Raises:
        TypeError: `scores` is not a floating-point tensor, or `mask` is not boolean.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    wide = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    if mask is not None:
        wide = wide.masked_fill(~mask, -torch.inf)
    exponentials = torch.exp(wide - _finite_max(wide))
    total = exponentials.sum(-1, keepdim=True)
    return (exponentials / total.masked_fill(total == 0, 1)).to(scores.dtype)


@checked
def log_sum_exp(
    scores: Float[Tensor, "*batch key"], mask: Bool[Tensor, "*#batch #key"] | None = None
) -> Float[Tensor, "*batch"]:
    """Return :math:`\\log \\sum_j e^{s_j}` of each row without overflow; minus infinity for an empty row.

    Args:
        scores: One row of scores per query.
        mask: True where the key may be attended to; ``None`` means everywhere.

    Returns:
        One number per row.

    Raises:
        TypeError: `scores` is not a floating-point tensor, or `mask` is not boolean.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Blanchard, Higham and Higham (2021), *Accurately computing the log-sum-exp and softmax functions*.
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    largest = _finite_max(scores)
    return torch.exp(scores - largest).sum(-1).log() + largest.squeeze(-1)


def _finite_max(scores: Tensor) -> Tensor:
    """The largest score of each row, and 0 for a row of minus infinities; a constant to autograd."""
    largest = scores.detach().amax(-1, keepdim=True)
    return largest.masked_fill(largest == -torch.inf, 0)
