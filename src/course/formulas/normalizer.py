"""The normalizer of a softmax, in a form that can be computed piece by piece."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.shapes import checked


class Normalizer(NamedTuple):
    """The largest score of each row, and the sum of the exponentials of the scores less the largest.

    Two of them, for two sets of keys, merge into the one of all keys, equation :eq:`running-merge`. A set
    without keys has the largest score minus infinity and the total 0, and changes nothing when merged.

    Attributes:
        largest: One number per row; a constant to autograd.
        total: One number per row, at least 1, or 0 where there are no keys.

    Source:
        Milakov and Gimelshein (2018), *Online normalizer calculation for softmax*, section 3.
    """

    largest: Tensor
    total: Tensor

    def merge(self, other: Normalizer) -> Normalizer:
        """Return the normalizer of the keys of both."""
        largest = torch.maximum(self.largest, other.largest)
        base = finite(largest)
        ours = self.total * torch.exp(self.largest - base)
        theirs = other.total * torch.exp(other.largest - base)
        return Normalizer(largest, ours + theirs)

    def log(self) -> Tensor:
        """Return the log-sum-exp of each row, equation :eq:`log-sum-exp`; minus infinity without keys."""
        return self.total.masked_fill(self.total == 0, 1).log() + self.largest


@checked
def normalizer(
    scores: Float[Tensor, "*batch key"],
    mask: Bool[Tensor, "*#batch #key"] | None = None,
) -> Normalizer:
    """Return the normalizer of each row of scores, what equation :eq:`running-update` ends with.

    Args:
        scores: One row of scores per query.
        mask: True where the key may be attended to; ``None`` means everywhere.

    Returns:
        The largest score and the total of each row.

    Raises:
        TypeError: `scores` is not a floating-point tensor, or `mask` is not boolean.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    largest = scores.detach().amax(-1)
    return Normalizer(largest, torch.exp(scores - finite(largest).unsqueeze(-1)).sum(-1))


def finite(largest: Tensor) -> Tensor:
    """What to subtract from a row: its largest score, or 0 where that is minus infinity."""
    return largest.masked_fill(largest == -torch.inf, 0)
