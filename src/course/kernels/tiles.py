"""The matrix of scores, cut into tiles that are computed when they are needed and then forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from course.formulas.precision import wide


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut `n` positions into slices of `size`; the last one may be shorter."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def part(x: Tensor, rows: slice, columns: slice) -> Tensor:
    """The part of `x` that belongs to a tile; axes of size 1 belong to every tile."""
    rows, columns = (
        index if size > 1 else slice(None)
        for index, size in zip((rows, columns), x.shape[-2:], strict=True)
    )
    return x[..., rows, columns]


@dataclass(frozen=True)
class Tiles:
    """Scores of one attention problem, tile by tile.

    Attributes:
        q: Queries.
        k: Keys, with leading axes that broadcast to those of the queries.
        mask: True where a query may attend to a key, with as many axes as `q`, or None.
        bias: Added to the scores, with as many axes as `q`, or None.
        causal: Whether a query sees only keys up to its own position, aligned at the last key.
        scale: The factor on the dot products.
    """

    q: Tensor
    k: Tensor
    mask: Tensor | None
    bias: Tensor | None
    causal: bool
    scale: float

    def hidden(self, rows: slice, columns: slice) -> bool:
        """Whether the causal mask leaves nothing of a tile, equation :eq:`causal-tiles`.

        Its first key then comes after its last query.
        """
        return self.causal and columns.start > rows.stop - 1 + self._shift

    def scores(self, rows: slice, columns: slice) -> Tensor:
        """The scores of a tile, minus infinity where a query may not attend."""
        scores = wide(self.q[..., rows, :]) @ wide(self.k[..., columns, :]).mT
        scores *= self.scale
        if self.bias is not None:
            scores += part(self.bias, rows, columns)
        if self.mask is not None:
            scores.masked_fill_(~part(self.mask, rows, columns), -torch.inf)
        diagonal = rows.start + self._shift - columns.start
        if self.causal and diagonal < columns.stop - columns.start - 1:
            ahead = torch.ones(
                scores.shape[-2:], dtype=torch.bool, device=scores.device
            ).triu(diagonal + 1)
            scores.masked_fill_(ahead, -torch.inf)
        return scores

    @property
    def _shift(self) -> int:
        """How many positions the first key lies before the first query."""
        return self.k.shape[-2] - self.q.shape[-2]
