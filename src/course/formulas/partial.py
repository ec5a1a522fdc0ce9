"""The result of attention over some of the keys, in a form that merges with that over others."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.formulas.normalizer import Normalizer, finite
from course.shapes import checked


class Partial(NamedTuple):
    """What attention over a set of keys leaves behind: a normalizer, and a weighted sum of the values.

    Two of them, for two sets of keys, merge into the one of all keys, equation :eq:`partial-merge`. A set
    without keys changes nothing when merged.

    Attributes:
        normalizer: The largest score and the total of each row.
        weighted: The sum of the values, each multiplied by the exponential of its score less the largest.

    Source:
        Rabe and Staats (2021), *Self-attention Does Not Need O(n²) Memory*, section 3.
    """

    normalizer: Normalizer
    weighted: Tensor

    def merge(self, other: Partial) -> Partial:
        """Return the partial result of the keys of both."""
        both = self.normalizer.merge(other.normalizer)
        base = finite(both.largest)
        ours, theirs = (
            torch.exp(x.normalizer.largest - base).unsqueeze(-1) for x in (self, other)
        )
        return Partial(both, self.weighted * ours + other.weighted * theirs)

    def output(self) -> Tensor:
        """Return the attention over these keys, as if there were no others; zeros without keys."""
        total = self.normalizer.total
        return self.weighted / total.masked_fill(total == 0, 1).unsqueeze(-1)


@checked
def partial(
    scores: Float[Tensor, "*batch query key"],
    v: Float[Tensor, "*#batch key d_v"],
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
) -> Partial:
    """Return the partial result of attention over the given keys, equation :eq:`partial-result`.

    Args:
        scores: One row of scores per query, for these keys.
        v: The values of these keys.
        mask: True where a query may attend to a key; ``None`` means everywhere.

    Returns:
        The normalizer of these keys and the weighted sum of their values.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: The shapes do not fit, or a tensor is empty.
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    largest = scores.detach().amax(-1)
    shares = torch.exp(scores - finite(largest).unsqueeze(-1))
    return Partial(Normalizer(largest, shares.sum(-1)), shares @ v)
