"""T5's relative positions: one learned number per head and bucket of offsets."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.positions.relative import offsets as offsets_of
from course.shapes import Size, checked


@checked
def t5_buckets(
    offsets: Int[Tensor, "*shape"],
    n_buckets: Size = 32,
    max_distance: Size = 128,
    bidirectional: bool = True,
) -> Int[Tensor, "*shape"]:
    """Return the bucket of each offset, equation :eq:`t5-buckets`, without rounding, :eq:`t5-thresholds`.

    Args:
        offsets: j - i, positive for a key after the query.
        n_buckets: How many buckets there are, for both directions together.
        max_distance: The distance, in positions, from which on all keys share the last bucket.
        bidirectional: Whether keys after the query get buckets of their own, the second half. If not, they
            share the bucket of offset 0, and a causal mask is expected to hide them.

    Returns:
        Numbers from 0 to ``n_buckets - 1``.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: There are too few buckets, or `max_distance` is not beyond the exact ones.

    Source:
        Raffel et al. (2020), *Exploring the Limits of Transfer Learning*, section 2.1, and the code they
        published with it.
    """
    per_side = n_buckets // 2 if bidirectional else n_buckets
    exact = per_side // 2
    if exact < 1 or n_buckets % (1 + bidirectional):
        raise ValueError(
            f"t5_buckets: n_buckets must be at least {2 + 2 * bidirectional}"
            f"{' and even' if bidirectional else ''}, but got {n_buckets}."
        )
    if max_distance <= exact:
        raise ValueError(
            f"t5_buckets: max_distance must be more than {exact}, the number of exact buckets, "
            f"but got {max_distance}."
        )
    distance = offsets.abs() if bidirectional else (-offsets).clamp(min=0)
    starts = torch.tensor(_starts(per_side, exact, max_distance), device=offsets.device)
    bucket = torch.bucketize(distance.long(), starts, right=True) - 1
    return bucket + per_side * (offsets > 0) if bidirectional else bucket


@functools.cache
def _starts(per_side: int, exact: int, max_distance: int) -> tuple[int, ...]:
    """The smallest distance of each bucket; whole numbers, as a logarithm may round to the wrong side."""
    wide = per_side - exact
    starts = list(range(exact))
    distance = exact
    for step in range(wide):
        while distance**wide * exact**step < max_distance**step * exact**wide:
            distance += 1
        starts.append(distance)
    return tuple(starts)


class RelativeBias(nn.Module):
    """Return a learned number for each head and bucket of offsets, equation :eq:`t5-bias`.

    The numbers start at zero: no offset is preferred.

    Args:
        n_heads: h, the heads of queries.
        n_buckets: How many buckets there are, for both directions together.
        max_distance: The distance from which on all keys share the last bucket.
        bidirectional: Whether keys after the query get buckets of their own.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one, or the sizes do not fit (see :func:`t5_buckets`).

    Source:
        Raffel et al. (2020), *Exploring the Limits of Transfer Learning*, section 2.1.
    """

    @checked
    def __init__(
        self,
        n_heads: Size,
        n_buckets: Size = 32,
        max_distance: Size = 128,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        t5_buckets(torch.zeros(1, dtype=torch.long), n_buckets, max_distance, bidirectional)
        self.max_distance, self.bidirectional = max_distance, bidirectional
        self.table = nn.Parameter(torch.zeros(n_buckets, n_heads))

    @checked
    def forward(self, n_query: Size, n_key: Size) -> Float[Tensor, "heads query key"]:
        """Make the bias of the last `n_query` of `n_key` positions, for :func:`course.attention.attend`.

        Args:
            n_query: T, the number of queries.
            n_key: S, the number of keys.

        Returns:
            What is added to the scores.

        Raises:
            TypeError: A size is not an integer.
            ValueError: A size is less than one.
        """
        offset = offsets_of(n_query, n_key).to(self.table.device)
        sizes = len(self.table), self.max_distance, self.bidirectional
        return self.table[t5_buckets(offset, *sizes)].movedim(-1, 0)
