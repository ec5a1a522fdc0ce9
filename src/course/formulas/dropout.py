"""Dropout on attention weights."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from course.shapes import checked


@checked
def dropout(
    weights: Float[Tensor, "*batch query key"],
    rate: float,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch query key"]:
    """Set weights to zero at random and scale up the others, equation :eq:`attention-dropout`.

    The expectation of each weight stays what it was; the rows no longer sum to one. For training only: in
    evaluation the weights are used as they are.

    Args:
        weights: Attention weights.
        rate: The probability that a weight is dropped, at least 0 and less than 1.
        generator: The source of randomness; ``None`` means torch's global one.

    Returns:
        New weights, each zero or ``1 / (1 - rate)`` of what it was.

    Raises:
        TypeError: `weights` is not a floating-point tensor, or `rate` is not a number.
        ValueError: `rate` is less than 0 or not less than 1.

    Source:
        Srivastava et al. (2014), *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*,
        section 10, in the form that scales during training.
    """
    if not 0 <= rate < 1:
        raise ValueError(
            f"dropout: rate must be at least 0 and less than 1, but got {rate}."
        )
    draw = torch.rand(weights.shape, generator=generator, device=weights.device)
    return weights.masked_fill(draw < rate, 0) / (1 - rate)
