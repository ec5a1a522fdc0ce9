"""Few rows of choices in which all choices meet, where testing every row would take long."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

Row = tuple[Any, ...]


def meeting(*axes: Iterable[Any], of: int = 2) -> list[Row]:
    """Rows of one choice per axis, so that any `of` choices of different axes stand together in a row.

    Most defects need one or two circumstances (Kuhn, Wallace and Gallo, 2004): rows in which all pairs meet
    find nearly what all rows find. Each row taken is the one that brings together the most.
    """
    rows = {row: _groups(row, of) for row in itertools.product(*axes)}
    missing = set().union(*rows.values())
    taken = []
    while missing:
        best = max(rows, key=lambda row: len(rows[row] & missing))
        taken.append(best)
        missing -= rows.pop(best)
    return sorted(taken, key=[*itertools.product(*axes)].index)


def _groups(row: Row, of: int) -> set[Row]:
    """The choices of a row in groups, each with the number of its axis."""
    return set(itertools.combinations(enumerate(row), of))
