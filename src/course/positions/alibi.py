"""ALiBi: a penalty on the score that grows linearly with the distance, with nothing to learn."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from course.positions.relative import offsets
from course.shapes import Size, checked


@checked
def alibi_slopes(n_heads: Size) -> Float[Tensor, " heads"]:
    """Return the slope of each head, equation :eq:`alibi-slopes`.

    For a power of two, a geometric sequence from :math:`2^{-8/h}` to :math:`2^{-8}`. For another number, the
    sequence of the next smaller power of two, followed by the first terms with odd numbers of the sequence
    twice as dense.

    Args:
        n_heads: h, the heads of queries.

    Returns:
        The slopes in units of score per position, in float32.

    Raises:
        TypeError: `n_heads` is not an integer.
        ValueError: `n_heads` is less than one.

    Source:
        Press et al. (2022), *Train Short, Test Long*, section 3, and the code they published with it.
    """
    whole = 2 ** (n_heads.bit_length() - 1)
    exponents = [head / whole for head in range(1, whole + 1)]
    between = [head / (2 * whole) for head in range(1, 2 * whole, 2)]
    return torch.tensor([2.0 ** (-8 * x) for x in exponents + between[: n_heads - whole]])


@checked
def alibi(n_heads: Size, n_query: Size, n_key: Size) -> Float[Tensor, "heads query key"]:
    """Return :math:`-m_s\\,|i - j|`, equation :eq:`alibi-bias`, a bias for :func:`course.attention.attend`.

    Args:
        n_heads: h, the heads of queries.
        n_query: T, the number of queries; they are the last of the `n_key` positions.
        n_key: S, the number of keys.

    Returns:
        What is added to the scores, in float32, never positive, zero for the query's own position.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one.

    Source:
        Press et al. (2022), *Train Short, Test Long*, section 3. They attend causally; the absolute value
        extends the penalty to keys after the query.
    """
    return -alibi_slopes(n_heads)[:, None, None] * offsets(n_query, n_key).abs()
