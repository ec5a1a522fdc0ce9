"""The weights of attention: how much each query takes of each value."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from course.formulas.heads import check_heads, repeat_heads
from course.formulas.masks import visible
from course.formulas.precision import wide
from course.formulas.scores import scaled_dot_product
from course.formulas.softmax import softmax
from course.shapes import checked


@checked
def weigh(
    q: Float[Tensor, "*batch query d_k"],
    k: Float[Tensor, "*batch_kv key d_k"],
    *,
    mask: Bool[Tensor, "*#batch #query #key"] | None = None,
    bias: Float[Tensor, "*#batch #query #key"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch query key"]:
    """Return the attention weights :math:`p_{ij}`, equation :eq:`weights`, applied to the values.

    Args:
        q: Queries.
        k: Keys.
        mask: True where a query may attend to a key.
        bias: Added to the scores, after the scale.
        causal: Attend only to keys up to the query's own position.
        scale: The factor on the dot products; ``None`` means :math:`1/\\sqrt{d_k}`.

    Returns:
        One row of weights per query, positive and summing to one, or all zero where nothing is visible.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes or devices do not fit, or a tensor is empty.
    """
    check_heads("weigh", q, k)
    scores = scaled_dot_product(wide(q), wide(repeat_heads(k, q)), scale)
    weights = softmax(
        scores if bias is None else scores + bias, visible(mask, causal, q, k)
    )
    return weights.to(q.dtype)
